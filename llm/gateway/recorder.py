"""Keeping what was said: bodies, apart from the numbers and behind them in time."""

import asyncio
import logging
import uuid
from collections.abc import Sequence
from typing import NamedTuple

import psycopg

from devora_ops.common.batching import Batcher
from devora_ops.common.fitting import fitted
from devora_ops.common.logs import one_line
from devora_ops.common.postgres import Pool
from llm.masking import each_text, mask

log = logging.getLogger("[LLM]")

_WINDOW_S = 0.2
MOST_WAITING_BYTES = 64 * 2**20
_BEHIND_BYTES = 2 * 2**20  # more than a window brings: what comes now will stay a while
_THREAD_BYTES = 64 * 1024
_NUL = b"\\u0000"
_COPY = "COPY llm_content (call_id, request, response) FROM STDIN"


class Said(NamedTuple):
    """What went up and what came back, as JSON texts."""

    call_id: uuid.UUID
    request: bytes
    response: bytes
    masked: bool = False

    @property
    def size(self) -> int:
        """The bytes that it keeps until it is written."""
        return len(self.request) + len(self.response)

    def fitted(self) -> "Said":
        """Return it in as much memory as its size says."""
        request, response = fitted(self.request), fitted(self.response)
        return self._replace(request=request, response=response)


class Recorder:
    """Writes bodies in batches. Losing one loses no money, so nothing waits for it."""

    def __init__(self, pool: Pool, *, default_mode: str) -> None:
        self._pool = pool
        self._default_mode = default_mode
        self._batches = Batcher[Said, None](self._write, window_s=_WINDOW_S)
        self._waiting_bytes = 0

    def record(self, said: Said, *, mode: str) -> None:
        """Keep a body as its agent's mode says: full, masked or off."""
        mode = self._default_mode if mode == "default" else mode
        if mode == "off":
            return
        if self._waiting_bytes > MOST_WAITING_BYTES:
            # Postgres is away or too slow: the calls go on, their words are not kept.
            log.warning("the content of call %s was not kept", said.call_id)
            return
        if self._waiting_bytes > _BEHIND_BYTES:
            said = said.fitted()
        self._waiting_bytes += said.size
        self._batches.put(said._replace(masked=True) if mode == "masked" else said)

    async def flushed(self) -> None:
        """Wait until everything recorded so far is written."""
        await self._batches.flushed()

    async def _write(self, batch: Sequence[Said]) -> Sequence[None]:
        try:
            rows = [await _row(said) for said in batch]
            async with (
                self._pool.connection() as connection,
                connection.cursor() as cursor,
                cursor.copy(_COPY) as copy,
            ):
                for row in rows:
                    await copy.write_row(row)
        except (psycopg.Error, OSError) as error:
            log.warning(
                "the content of %d calls was not kept: %s", len(batch), one_line(error)
            )
        finally:
            self._waiting_bytes -= sum(said.size for said in batch)
        return [None] * len(batch)


async def _row(said: Said) -> tuple[uuid.UUID, str, str]:
    bodies = (said.request, said.response)
    if not said.masked and not any(_NUL in body for body in bodies):
        request, response = (body.decode("utf-8", "replace") for body in bodies)
        return said.call_id, request, response
    if said.size > _THREAD_BYTES:  # others must not wait for long texts to be read
        return await asyncio.to_thread(_rewritten, said)
    return _rewritten(said)


def _rewritten(said: Said) -> tuple[uuid.UUID, str, str]:
    change = _masked if said.masked else _without_nul
    request, response = (
        each_text(body, change).decode() for body in (said.request, said.response)
    )
    return said.call_id, request, response


def _masked(text: str) -> str:
    return mask(_without_nul(text))


def _without_nul(text: str) -> str:
    """A text column takes no NUL."""
    return text.replace("\0", "\ufffd")
