"""Noticing that a client has gone, and calling off what is done for it."""

import asyncio
import contextlib
from typing import Any

from llm.gateway.call import Call
from llm.gateway.http import Receive

# Most calls that are over sooner would pay for a task of their own and never need it.
_AFTER_S = 0.05


class Watch:
    """Cancels the task that made it once the call's client has gone.

    The end of an answer reads as a client that has gone too; then the call is settled.
    """

    def __init__(self, receive: Receive, call: Call) -> None:
        self._receive = receive
        self._call = call
        self._serving: asyncio.Task[Any] | None = asyncio.current_task()
        self._task: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(_AFTER_S, self._begin)

    def cancel(self) -> None:
        """Stop watching."""
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _begin(self) -> None:
        self._task = asyncio.create_task(self._wait())

    async def _wait(self) -> None:
        with contextlib.suppress(OSError):
            while (await self._receive())["type"] != "http.disconnect":
                pass
        if self._call.ended or self._serving is None:
            return
        self._call.client_gone = True
        self._serving.cancel()
