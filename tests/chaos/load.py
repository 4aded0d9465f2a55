"""An open-loop load: calls leave at their time, whatever became of those before.

It runs in a thread, so that a scenario does its faults meanwhile. Raw HTTP on kept
connections, because what the generator takes of two cores is missing elsewhere.
"""

import asyncio
import itertools
import math
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence

import uvloop

from tests.chaos.client import Connection, Outcome
from tests.chaos.requests import Request

AT_ONCE = math.inf


class OpenLoad:
    """So many calls at so many a second, shared out among web processes in turn.

        with OpenLoad(calls, ports=staged.ports, per_second=100, count=1000) as load:
            load.wait_for(500)
            staged.webs[0].kill()
        assert load.ended["whole"] > 900

    Leaving it waits for every answer. ports: a process that refuses the connection is
    passed over, as a proxy would.
    """

    def __init__(
        self,
        calls: Iterator[Request],
        *,
        ports: Callable[[], Sequence[int]],
        per_second: float,
        count: int,
    ) -> None:
        self.outcomes: list[Outcome] = []
        self.under_way: set[Outcome] = set()
        self.seconds = 0.0
        self._calls = itertools.islice(calls, count)
        self._ports = ports
        self._per_second = per_second
        self._turns = itertools.count()
        self._idle: defaultdict[int, list[Connection]] = defaultdict(list)
        self._thread = threading.Thread(target=self._run, name="load")
        self._failure: BaseException | None = None

    def __enter__(self) -> "OpenLoad":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    @property
    def ended(self) -> Counter[str]:
        """How many calls ended how; see Outcome."""
        return Counter(outcome.end for outcome in self.outcomes)

    @property
    def statuses(self) -> Counter[int]:
        """How many calls were answered with which status; 0 without an answer."""
        return Counter(outcome.status for outcome in self.outcomes)

    def wait_for(self, ended: int) -> None:
        """Wait until so many calls have ended; at once if the load is over."""
        while len(self.outcomes) < ended and self._thread.is_alive():
            self._thread.join(0.01)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._send_all())
        except BaseException as error:
            self._failure = error

    async def _send_all(self) -> None:
        began = time.monotonic()
        tasks = set()
        for place, request in enumerate(self._calls):
            due = began + place / self._per_second
            if (early_s := due - time.monotonic()) > 0:
                await asyncio.sleep(early_s)
            task = asyncio.create_task(self._send(Outcome(request, due)))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)
        self.seconds = time.monotonic() - began
        for connections in self._idle.values():
            for connection in connections:
                connection.close()

    async def _send(self, outcome: Outcome) -> None:
        self.under_way.add(outcome)
        connection = await self._connection(outcome)
        if connection is None:
            outcome.end = "refused"
        else:
            await connection.serve(outcome)
            if connection.is_open:
                self._idle[outcome.port].append(connection)
        self.under_way.discard(outcome)
        self.outcomes.append(outcome)

    async def _connection(self, outcome: Outcome) -> Connection | None:
        """Return a connection to the process whose turn it is, or to the next."""
        ports, turn = self._ports(), next(self._turns)
        for step in range(len(ports)):
            outcome.port = ports[(turn + step) % len(ports)]
            idle = self._idle[outcome.port]
            while idle:
                if (connection := idle.pop()).is_open:
                    return connection
            try:
                _, connection = await asyncio.get_running_loop().create_connection(
                    Connection, "127.0.0.1", outcome.port
                )
            except OSError:
                continue
            return connection
        return None
