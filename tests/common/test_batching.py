"""Items that are written together."""

import asyncio
from collections.abc import Sequence

from devora_ops.common.batching import Batcher

HOUR_S = 3600.0


async def test_full_batches_do_not_wait_for_more_items():
    written: list[int] = []
    all_full = asyncio.Event()

    async def write(items: Sequence[int]) -> Sequence[None]:
        written.extend(items)
        if len(written) == 20:
            all_full.set()
        return [None] * len(items)

    batches = Batcher[int, None](write, window_s=HOUR_S, most=10)
    for number in range(25):
        batches.put(number)
    async with asyncio.timeout(10):
        await all_full.wait()

    assert written == list(range(20))
    assert batches.give_up() == list(range(20, 25))
