"""An open-loop load: calls leave at their time, whatever became of those before.

It runs in a thread, so that a scenario does its faults meanwhile. Raw HTTP on kept
connections, because what the generator takes of two cores is missing elsewhere.
"""

import asyncio
import gc
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
MANY = 10_000


class OpenLoad:
    """So many calls (or until `stop`), so many a second, to web processes in turn.

        with OpenLoad(calls, ports=staged.ports, per_second=100, count=1000) as load:
            load.wait_for(500)
            staged.webs[0].kill()
        assert load.ended["whole"] > 900

    Leaving it waits for every answer. per_second: may be changed meanwhile. most_under_way: when so many wait for their
    answers, no more leave until one has it, and the rate offered falls; what two cores
    cannot hold would say nothing of faults. ports: a process that refuses the connection is
    passed over, as a proxy would.
    """

    def __init__(
        self,
        calls: Iterator[Request],
        *,
        ports: Callable[[], Sequence[int]],
        per_second: float,
        count: int | None = None,
        most_under_way: int = MANY,
    ) -> None:
        self.outcomes: list[Outcome] = []
        self.under_way: set[Outcome] = set()
        self.seconds = 0.0
        self._calls = itertools.islice(calls, count)
        self._ports = ports
        self.per_second = per_second
        self._most_under_way = most_under_way
        self._stopped = False
        self._turns = itertools.count()
        self._idle: defaultdict[int, list[Connection]] = defaultdict(list)
        self._thread = threading.Thread(target=self._run, name="load")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._serving: dict[Outcome, Connection] = {}
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

    def stop(self) -> None:
        """Send no more calls; those under way go on."""
        self._stopped = True

    def hang_up(self) -> float:
        """Have all clients go that wait for this; return the moment (Unix time)."""
        assert self._loop is not None, "nothing was sent"
        now = time.time()
        self._loop.call_soon_threadsafe(self._hang_up_all)
        return now

    def wait_for(self, ended: int, *, until: float = math.inf) -> None:
        """Wait until so many calls have ended, or the load, or it is that late."""
        while len(self.outcomes) < ended and time.monotonic() < until:
            if not self._thread.is_alive():
                return
            self._thread.join(0.01)

    @property
    def calls_per_second(self) -> float:
        """The rate that was really offered."""
        return len(self.outcomes) / self.seconds

    def wait_until(self, moment: float) -> None:
        """Wait until a moment of time.monotonic(); at once if the load is over."""
        while (left_s := moment - time.monotonic()) > 0 and self._thread.is_alive():
            self._thread.join(min(left_s, 0.1))

    def wait_for_calls_at(self, port: int) -> None:
        """Wait until a process has calls under way; fails when the load is over."""
        while all(outcome.port != port for outcome in list(self.under_way)):
            assert self._thread.is_alive(), "the load was over too early"
            self._thread.join(0.001)

    def _run(self) -> None:
        gc.disable()  # its pauses would be taken for those of who answers
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._send_all())
        except BaseException as error:
            self._failure = error
        finally:
            gc.enable()

    async def _send_all(self) -> None:
        self._loop = asyncio.get_running_loop()
        began = due = time.monotonic()
        sending = set()
        for request in self._calls:
            next_due = await self._turn(due)
            if self._stopped:
                break
            outcome, due = Outcome(request, due), next_due
            self.under_way.add(outcome)
            task = asyncio.create_task(self._send(outcome))
            sending.add(task)
            task.add_done_callback(sending.discard)
        await asyncio.gather(*sending)
        self.seconds = time.monotonic() - began
        for connections in self._idle.values():
            for connection in connections:
                connection.close()

    def _hang_up_all(self) -> None:
        for connection in list(self._serving.values()):
            connection.hang_up()

    async def _turn(self, due: float) -> float:
        """Wait until a call is due and there is room for it; return when the next is."""
        if (early_s := due - time.monotonic()) > 0:
            await asyncio.sleep(early_s)
        while len(self.under_way) >= self._most_under_way:
            await asyncio.sleep(0.005)
            due = time.monotonic()
        return due + 1 / self.per_second

    async def _send(self, outcome: Outcome) -> None:
        connection = await self._connection(outcome)
        if connection is None:
            outcome.end = "refused"
        else:
            self._serving[outcome] = connection
            await connection.serve(outcome)
            del self._serving[outcome]
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
