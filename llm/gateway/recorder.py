"""Keeping what was said: bodies, apart from the numbers and behind them in time."""

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from devora_ops.common.batching import Batcher
from devora_ops.common.postgres import Pool
from llm.masking import mask

log = logging.getLogger("[LLM]")

_WINDOW_S = 0.2
_COPY = "COPY llm_content (call_id, request, response) FROM STDIN"


@dataclass(frozen=True, slots=True)
class Said:
    """What went up and what came back, as JSON texts."""

    call_id: uuid.UUID
    request: bytes
    response: bytes


class Recorder:
    """Writes bodies in batches. Losing one loses no money, so nothing waits for it."""

    def __init__(self, pool: Pool, *, default_mode: str) -> None:
        self._pool = pool
        self._default_mode = default_mode
        self._batches = Batcher[Said, None](self._write, window_s=_WINDOW_S)

    def record(self, said: Said, *, mode: str) -> None:
        """Keep a body as its agent's mode says: full, masked or off."""
        mode = self._default_mode if mode == "default" else mode
        if mode == "off":
            return
        if mode == "masked":
            said = Said(said.call_id, mask(said.request), mask(said.response))
        self._batches.put(said)

    async def flushed(self) -> None:
        """Wait until everything recorded so far is written."""
        await self._batches.flushed()

    async def _write(self, batch: Sequence[Said]) -> Sequence[None]:
        try:
            async with (
                self._pool.connection() as connection,
                connection.cursor() as cursor,
                cursor.copy(_COPY) as copy,
            ):
                for said in batch:
                    row = (said.call_id, _text(said.request), _text(said.response))
                    await copy.write_row(row)
        except (psycopg.Error, OSError) as error:
            log.warning("the content of %d calls was not kept: %s", len(batch), error)
        return [None] * len(batch)


def _text(body: bytes) -> str:
    """Decode for a text column, which takes no NUL, written out or escaped."""
    text = body.decode("utf-8", "replace")
    return text.replace("\0", "\ufffd").replace("\\u0000", "\ufffd")
