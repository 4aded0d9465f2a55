"""Noticing that a client has gone, and calling off what is done for it."""

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import Any

from llm.gateway.call import Call
from llm.gateway.http import Receive

# Most calls that are over sooner would pay for a task of their own and never need it.
_AFTER_S = 0.05


@dataclass(slots=True, eq=False)
class Watched:
    """A call that is served, and who serves it."""

    call: Call
    receive: Receive
    serving: asyncio.Task[Any]
    task: asyncio.Task[None] | None = None


class Watch:
    """Cancels the task of a call once its client has gone.

    One look at all of them, several times a second, takes the place of a timer for each.
    """

    def __init__(self) -> None:
        self._new: dict[Watched, None] = {}  # in the order in which they came
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._looking = asyncio.create_task(self._look())

    def stop(self) -> None:
        """Stop looking; who is watched already stays so."""
        if self._looking is not None:
            self._looking.cancel()

    def begin(self, call: Call, receive: Receive) -> Watched:
        """Watch the client of a call that the current task serves, until `end`."""
        serving = asyncio.current_task()
        assert serving is not None, "a request is served in a task"
        watched = Watched(call, receive, serving)
        self._new[watched] = None
        return watched

    def end(self, watched: Watched) -> None:
        """Stop watching."""
        self._new.pop(watched, None)
        if watched.task is not None:
            watched.task.cancel()
            # Its last frame knows what it watched: in a circle, all that a call held
            # would wait for the garbage collector, and every call for its pauses.
            watched.task = None

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_AFTER_S)
            since = time.perf_counter() - _AFTER_S
            for watched in list(self._new):
                if watched.call.began > since:
                    break
                del self._new[watched]
                watched.task = asyncio.create_task(_wait(watched))


async def _wait(watched: Watched) -> None:
    """Wait for the end, which the end of an answer reads as too: then all is settled."""
    with contextlib.suppress(OSError):
        while (await watched.receive())["type"] != "http.disconnect":
            pass
    if not watched.call.ended:
        watched.call.client_gone = True
        watched.serving.cancel()
