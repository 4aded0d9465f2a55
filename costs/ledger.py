"""The ledger of one process: hold before a byte leaves, settle exactly once.

Concurrent holds share a transaction, and so do concurrent settlements. While Postgres is
away, settlements wait in the journal, and any process posts them once it is back. A
process that dies leaves its holds behind; any other settles them at their worst case
once the owner has been silent for a while.
"""

import asyncio
import logging
import math
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import psycopg

from costs import sweeping
from costs.backlog import Backlog
from costs.facts import Settlement
from costs.journal import Journal
from costs.line import Line
from costs.posting import post
from costs.reserving import Refusal, Reservation, reserve, restore
from devora_ops.common.batching import Batcher
from devora_ops.common.errors import BudgetExceeded, Unavailable
from devora_ops.common.ids import uuid7
from devora_ops.common.logs import Outage
from devora_ops.common.postgres import Connection

log = logging.getLogger("[CostTracker]")

T = TypeVar("T")

HEARTBEAT_S = 5.0
# After a silence of our own, the others have this long to be heard again.
SETTLING_DOWN_S = 3 * HEARTBEAT_S
HOLD_TIMEOUT_S = 1.7
_EXPIRE_EVERY_S = 0.2
REPLAY_EVERY_S = 5.0
PATIENCE_S = 5.0  # how long settlements wait in memory before they go to the journal
STOP_S = 2.0
# Holds can be made faster than settled: what is not settled yet stays in memory, keeps
# its money set aside, and would be lost to the worst case with the process.
MOST_UNSETTLED = 2000
SETTLE_WINDOW_S = 0.03  # a shorter one doubles Postgres' CPU, a longer one is seen

_FREE = "SELECT costs_release(%s::uuid[], '{}', '{}')"
_FREE_PAUSES_S = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
# Postgres' clock tells the silence: ours may have stood still with the machine.
_BEAT = """
INSERT INTO costs_owner (id, label) VALUES (%s, %s)
ON CONFLICT (id) DO UPDATE SET seen_at = now()
RETURNING (SELECT extract(epoch FROM now() - mine.seen_at) FROM costs_owner AS mine
           WHERE mine.id = costs_owner.id)
"""


class Ledger:
    """Reserves and settles money for one process."""

    def __init__(
        self,
        url: str,
        *,
        label: str = "gateway",
        journal: Journal | None = None,
        posted: Callable[[Sequence[Settlement]], None] = lambda settlements: None,
        settling_down_s: float = SETTLING_DOWN_S,
    ) -> None:
        """journal: without one, settlements wait in memory, and die with the process.

        posted: told of settlements once they are durable, each of them once.
        """
        self._settling_down_s = settling_down_s
        self._posted = posted
        self._journal = journal
        self._replaying = asyncio.Lock()
        self._patience_s = PATIENCE_S
        self._label = label
        self.owner = uuid7()
        self._holds = Batcher[Reservation, tuple[int, ...] | Refusal](
            self._reserve, abandoned=self._abandoned
        )
        self._settlements = Batcher[Settlement, None](
            self._post, window_s=SETTLE_WINDOW_S
        )
        # What this process has set aside and not settled: a crash of Postgres may lose
        # the last holds, while their calls go on.
        self._open: dict[uuid.UUID, tuple[Reservation, tuple[int, ...]]] = {}
        self._hold_line = Line(
            url, f"devora-{label}-holds", durable=False, again=self._restore
        )
        self._settle_line = Line(url, f"devora-{label}-settlements", durable=True)
        self._backlog = Backlog(HOLD_TIMEOUT_S)
        self._heard_since = -math.inf
        self._outage = Outage(log, "Postgres")
        self._tasks: list[asyncio.Task[None]] = []
        self._freeing: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Announce this process as an owner of holds and begin its rounds."""
        await self._beat()
        rounds = [
            _every(HEARTBEAT_S, self._beat, self._outage),
            _every(_EXPIRE_EVERY_S, self._expire, self._outage),
            _every(REPLAY_EVERY_S, self.replay, self._outage, at_once=True),
            _every(sweeping.EVERY_S, self.sweep, self._outage),
        ]
        self._tasks = [asyncio.create_task(each) for each in rounds]

    async def stop(self) -> None:
        """Write what still waits, to the journal what cannot be, and let go."""
        for task in self._tasks:
            task.cancel()
        # asyncio.wait and no timeout: that one waits for what it cancels, and psycopg
        # may wait for a server that does not answer.
        writing = [
            asyncio.ensure_future(each)
            for each in (self._given_back(), self._settlements.flushed(), *self._tasks)
        ]
        _, late = await asyncio.wait(writing, timeout=STOP_S)
        for each in late:
            each.cancel()
        if left := self._settlements.give_up():
            await self._write_down(left)
        for line in (self._hold_line, self._settle_line):
            await line.close()

    async def _given_back(self) -> None:
        await self._holds.flushed()
        await asyncio.gather(*self._freeing, return_exceptions=True)

    def has_room(self) -> bool:
        """Say whether one more hold would be made soon, and settled soon."""
        return self._backlog.has_room() and len(self._settlements) < MOST_UNSETTLED

    async def hold(self, reservation: Reservation) -> tuple[int, ...]:
        """Set money aside; return the counters it was taken from.

        Raises BudgetExceeded when one of the budgets has no room, Unavailable while
        Postgres cannot be asked: without it no call may leave.
        """
        making = self._holds.put(reservation)
        self._backlog.enter(making)
        try:
            answer = await making
        except (psycopg.Error, OSError, TimeoutError) as error:
            self._give_back(reservation)  # it may have been made all the same
            self._outage.noticed(error)
            raise Unavailable("The ledger cannot be reached right now.") from error
        except asyncio.CancelledError:
            # The caller hung up just as its hold was made: the batch takes it for
            # delivered, and nobody else would give it back.
            if making.done() and not making.cancelled() and not making.exception():
                self._abandoned(reservation, making.result())
            raise
        finally:
            self._backlog.leave(making)
        if isinstance(answer, Refusal):
            raise BudgetExceeded(
                f"Budget {answer.budget_id} has ${answer.room.normalize():f} left; this "
                f"request could cost ${reservation.amount.normalize():f}.",
                extra={"budget": answer.budget_id, "left_usd": str(answer.room)},
            )
        self._open[reservation.attempt_id] = (reservation, answer)
        return answer

    async def _expire(self) -> None:
        self._backlog.expire()

    def settle(self, settlement: Settlement) -> "asyncio.Future[None]":
        """Hand over what became of attempts; the future is done once it is durable."""
        for attempt in settlement.attempts:
            self._open.pop(attempt.id, None)
        return self._settlements.put(settlement)

    def _abandoned(
        self, unused: Reservation, answer: tuple[int, ...] | Refusal
    ) -> None:
        """Take note of a hold whose call hung up, or gave up, before it was made."""
        if not isinstance(answer, Refusal):
            self._give_back(unused)

    def _give_back(self, unused: Reservation) -> None:
        """Free a hold that nothing was sent under."""
        task = asyncio.create_task(self._free(unused))
        self._freeing.add(task)
        task.add_done_callback(self._freeing.discard)

    async def _free(self, unused: Reservation) -> None:
        for pause_s in _FREE_PAUSES_S:
            try:
                async with self._settle_line as connection:
                    await connection.execute(_FREE, [[unused.attempt_id]])
                return
            except (psycopg.Error, OSError) as error:
                self._outage.noticed(error)
            await asyncio.sleep(pause_s)

    async def _restore(self, connection: Connection) -> None:
        """Make again what Postgres may have lost of our holds when it crashed."""
        if not self._open:
            return
        await restore(connection, self.owner, list(self._open.values()))

    async def sweep(self) -> int:
        """Settle the holds of dead processes at their worst case; return how many.

        What they wrote down comes first: it says what was really spent.
        """
        await self.replay()
        await self._beat()  # whether we were silent ourselves is known before we judge
        if time.monotonic() - self._heard_since < self._settling_down_s:
            return 0
        async with self._settle_line as connection:
            orphans = await sweeping.orphans(connection, but=self.owner)
        for settlement in orphans:
            log.warning("settling %s as unknown", settlement.attempts[0].id)
            self.settle(settlement)
        return len(orphans)

    async def replay(self) -> None:
        """Post what waits in the journal, whichever process wrote it."""
        if self._journal is None:
            return
        async with self._replaying:
            for page in self._journal.replay():
                log.info("posting %d calls of %s", len(page.settlements), page.path)
                if page.settlements and any(await self._write(page.settlements)):
                    page.keep()

    async def _beat(self) -> None:
        async with self._hold_line as connection:
            cursor = await connection.execute(_BEAT, [self.owner, self._label])
            rows: list[Any] = await cursor.fetchall()
        silent_s = rows[0][0]
        if silent_s is not None and silent_s > SETTLING_DOWN_S:
            self._heard_since = time.monotonic()
        self._outage.over()

    async def _reserve(
        self, batch: Sequence[Reservation]
    ) -> Sequence[tuple[int, ...] | Refusal | Exception]:
        try:
            return await self._try_to_reserve(batch)
        except psycopg.OperationalError as error:
            self._outage.noticed(error)
        except psycopg.DatabaseError:
            # What one asks for cannot be written: it must not cost the others theirs.
            log.exception("a batch of holds was refused: making them one by one")
            return [await self._reserve_alone(each) for each in batch]
        # The old one may have been lost before or after it reserved.
        async with self._hold_line as connection:
            await connection.execute(_FREE, [[each.attempt_id for each in batch]])
        return await self._try_to_reserve(batch)

    async def _reserve_alone(
        self, reservation: Reservation
    ) -> tuple[int, ...] | Refusal | Exception:
        try:
            (made,) = await self._try_to_reserve([reservation])
        except psycopg.DatabaseError as error:
            return error
        return made

    async def _try_to_reserve(
        self, batch: Sequence[Reservation]
    ) -> Sequence[tuple[int, ...] | Refusal | Exception]:
        async with self._hold_line as connection:
            return await reserve(connection, self.owner, batch)

    async def _post(self, batch: Sequence[Settlement]) -> Sequence[None | Exception]:
        # A settlement is never given up: what was spent was spent. It waits in memory
        # for a moment, and then on the disk; its hold covers it meanwhile.
        pause_s, since = 0.05, time.monotonic()
        while True:
            try:
                results = await self._write(batch)
            except (psycopg.OperationalError, OSError) as error:
                self._outage.noticed(error)
            else:
                self._patience_s = PATIENCE_S
                return results
            waited = time.monotonic() - since >= self._patience_s
            if waited and await self._write_down(batch):
                self._patience_s = 0  # the next need not find out again
                return [None] * len(batch)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, 2.0)

    async def _write(self, batch: Sequence[Settlement]) -> Sequence[None | Exception]:
        """Post a batch; raises what is worth another try.

        One settlement that Postgres refuses does not take others with it. Its hold
        stays, and the sweeper settles that at the worst case.
        """
        try:
            async with self._settle_line as connection:
                self._posted(await post(connection, batch))
        except psycopg.OperationalError:
            raise
        except psycopg.Error as error:
            if len(batch) == 1:
                log.error("Postgres refuses %s: %s", _names(batch[0]), _primary(error))
                return [error]
            return [(await self._write([each]))[0] for each in batch]
        return [None] * len(batch)

    async def _write_down(self, batch: Sequence[Settlement]) -> bool:
        """Keep a batch in the journal; False where it cannot be."""
        if self._journal is None:
            return False
        try:
            await asyncio.to_thread(self._journal.append, batch)
        except OSError as error:
            log.error("cannot keep %d calls in the journal: %s", len(batch), error)
            return False
        return True


async def _every(
    period_s: float,
    job: Callable[[], Awaitable[Any]],
    outage: Outage,
    *,
    at_once: bool = False,
) -> None:
    if not at_once:
        await asyncio.sleep(period_s)
    while True:
        try:
            await job()
        except (psycopg.OperationalError, psycopg.InterfaceError, OSError) as error:
            outage.noticed(error)
        except Exception:  # a row that nobody foresaw must not end the rounds
            log.exception("a round of the ledger failed")
        await asyncio.sleep(period_s)


def _names(settlement: Settlement) -> str:
    """Name what was settled by its ids: the rest may be an address of a person."""
    call = [f"call {settlement.call.id}"] if settlement.call else []
    return ", ".join(call + [f"attempt {each.id}" for each in settlement.attempts])


def _primary(error: psycopg.Error) -> str:
    """Return what Postgres says without its detail, which holds the row."""
    return error.diag.message_primary or type(error).__name__
