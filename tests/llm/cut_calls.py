"""Recorded streams through a running gateway, cut on their way to it, and what came out."""

import asyncio
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

import httpx

from tests.fakes.recorded_upstream import RecordedUpstream, Wanted
from tests.llm.recordings import ALL, LINE_ENDS, Recording
from tests.provisioning import Caller, Provisioning

_AT_ONCE = 16
# USD a token, whole numbers of a nano-dollar: what a call costs is exact.
_PRICES = {"input": "0.000001", "cache_read": "0.0000001", "output": "0.00001"}

WIRES = {
    f"{recording.kind}-{name}": (recording, line_end)
    for recording in ALL
    for name, line_end in LINE_ENDS.items()
}


@dataclass(frozen=True, slots=True)
class Told:
    """What a client was told by one stream: its events, and what stands behind them."""

    wanted: Wanted
    status: int
    events: list[bytes]

    @property
    def recording(self) -> Recording:
        """What the provider sent."""
        return WIRES[self.wanted.wire][0]

    @property
    def is_true_to_its_bytes(self) -> bool:
        """Whether all that passes has passed as it came, and the end is proper."""
        recording, line_end = WIRES[self.wanted.wire]
        passed = recording.passed(line_end)
        *begun, cost, end = self.events
        return (
            self.status == 200
            and begun == passed
            and cost.startswith(b": devora {")
            and end == recording.events[-1].replace(b"\n", line_end)
        )


class CutCalls:
    """Streams over an upstream that cuts them."""

    def __init__(
        self, staged: Provisioning, url: str, upstream: RecordedUpstream
    ) -> None:
        self.upstream = upstream
        self._url = url
        self._mark = uuid.uuid4().hex[:6]
        for recording in ALL:
            base = upstream.url + ("" if recording.kind == "anthropic" else "/v1")
            slug = f"{recording.kind}-{self._mark}"
            staged.provider(slug, base, kind=recording.kind)
            model = staged.model("recorded", provider=slug, **_PRICES)
            # Nobody can judge what it costs: the simulator's file does not know it.
            staged.rates.pop(model)

    def run(self, caller: Caller, wanted: Iterable[Wanted]) -> list[Told]:
        """Make the calls, some at once."""
        return asyncio.run(self._run(caller, wanted))

    async def _run(self, caller: Caller, wanted: Iterable[Wanted]) -> list[Told]:
        some = asyncio.Semaphore(_AT_ONCE)
        async with httpx.AsyncClient(
            base_url=self._url, headers=caller.headers, trust_env=False, timeout=60
        ) as client:

            async def call(each: Wanted) -> Told:
                async with some:
                    return await self._call(client, each)

            return await asyncio.gather(*map(call, wanted))

    async def _call(self, client: httpx.AsyncClient, wanted: Wanted) -> Told:
        kind = WIRES[wanted.wire][0].kind
        path = "/v1/messages" if kind == "anthropic" else "/v1/chat/completions"
        body = {
            "model": f"{kind}-{self._mark}/recorded",
            "messages": [{"role": "user", "content": wanted.message()}],
            "max_tokens": 500,
            "stream": True,
        }
        answer = await client.post(path, json=body)
        events = answer.content.removesuffix(b"\n\n").split(b"\n\n")
        return Told(wanted, answer.status_code, events)


@contextmanager
def cut_calls(staged: Provisioning, url: str) -> Iterator[CutCalls]:
    """Run an upstream of recordings behind a gateway."""
    wires = {
        name: recording.wire(line_end) for name, (recording, line_end) in WIRES.items()
    }
    with RecordedUpstream(wires) as upstream:
        yield CutCalls(staged, url, upstream)


def at_random(random: Random, name: str, *, most: int = 40) -> Wanted:
    """Return a stream with cuts at random places, up to so many."""
    recording, line_end = WIRES[name]
    places = range(1, len(recording.wire(line_end)))
    return Wanted(name, sorted(random.sample(places, random.randint(1, most))))


def assert_billed_alike(rows: Sequence[dict[str, Any]]) -> None:
    """Fail unless every attempt was billed by the usage that its provider told."""
    for row in rows:
        (recording,) = (it for it in ALL if row["model"].startswith(it.kind + "-"))
        assert row["state"] == "settled"
        assert not row["estimated"]
        assert row["raw_usage"] == recording.usage
