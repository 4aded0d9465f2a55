"""Group commit: concurrent writers share one transaction.

At once when idle, together when busy: the first item of a quiet moment is written
immediately, and what arrives while a write runs forms the next one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batcher(Generic[Item, Result]):
    """Hands items to `write` in batches; each caller gets the result of its own item.

    write: takes the items of a batch, returns one result (or exception) for each.
    abandoned: is told of a result whose caller no longer waits for it.
    window_s: how long to gather before a write that is not full; 0 writes at once when
    idle. most: how many items make a batch full.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]],
        *,
        abandoned: Callable[[Item, Result], None] | None = None,
        window_s: float = 0.0,
        most: int = 500,
    ) -> None:
        self._write = write
        self._abandoned = abandoned
        self._window_s = window_s
        self._most = most
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._writing: list[tuple[Item, asyncio.Future[Result]]] = []
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """How many items are not written yet."""
        return len(self._writing) + len(self._waiting)

    def put(self, item: Item) -> "asyncio.Future[Result]":
        """Queue an item; the future resolves when its batch has been written."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._task is None:
            # In a context of its own: what it logs is about no one caller.
            self._task = asyncio.create_task(self._drain(), context=Context())
        return future

    async def flushed(self) -> None:
        """Wait until everything that was put so far has been written."""
        while self._task is not None:
            await asyncio.shield(self._task)

    def give_up(self) -> list[Item]:
        """Stop writing; return what may not have been written."""
        if self._task is not None:
            self._task.cancel()
        left = [item for item, _ in (*self._writing, *self._waiting)]
        self._writing, self._waiting = [], []
        return left

    async def _drain(self) -> None:
        try:
            while self._waiting:
                # A full batch gains nothing by waiting, and those behind it would have
                # no more than `most` items a window written, however many come.
                if self._window_s and len(self._waiting) < self._most:
                    await asyncio.sleep(self._window_s)
                self._writing = self._waiting[: self._most]
                del self._waiting[: self._most]
                await self._write_batch(self._writing)
                self._writing = []
        finally:
            self._task = None

    async def _write_batch(
        self, batch: Sequence[tuple[Item, asyncio.Future[Result]]]
    ) -> None:
        results: Sequence[Result | Exception]
        try:
            results = await self._write([item for item, _ in batch])
        except Exception as error:
            results = [error] * len(batch)
        for (item, future), result in zip(batch, results, strict=True):
            if isinstance(result, Exception):
                if not future.done():
                    future.set_exception(result)
            elif not future.done():
                future.set_result(result)
            elif self._abandoned is not None:
                self._abandoned(item, result)
