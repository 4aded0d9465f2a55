"""Which targets are worth asking now: breakers, saturation, paused credentials.

Each process sees its own calls; what changes a target's state is written to
`llm_breaker`, whose trigger tells the other processes within a second. The table is
also what people look at, and where they force a breaker open or closed.
"""

import asyncio
import datetime as dt
import logging
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import psycopg

from devora_ops.common.postgres import Connection, Pool
from devora_ops.common.snapshots import Snapshot
from llm.gateway.breaker import COOL_DOWN_S, Breaker, Permit
from llm.gateway.refusals import Refusal
from llm.snapshot import Target

log = logging.getLogger("[LLM]")

PAUSE_S = 60.0
_SATURATED_S = 1.0
_MOST_KNOWN = 1000
_LEFT_ALONE = 2  # the last rank: asked when nobody else is there

_LOAD = "SELECT target, state, forced, changed_at, changed_by FROM llm_breaker"
_CHANGE = """
INSERT INTO llm_breaker (target, state, reason, forced, changed_at, changed_by)
VALUES (%s, %s, %s, '', now(), %s)
ON CONFLICT (target) DO UPDATE SET
    state = excluded.state, reason = excluded.reason,
    changed_at = excluded.changed_at, changed_by = excluded.changed_by
"""


@dataclass(frozen=True, slots=True)
class SharedState:
    """A row of `llm_breaker`: what some process, or a person, says of a target."""

    state: Literal["closed", "open"]
    forced: Literal["", "closed", "open"]
    changed_at: dt.datetime
    changed_by: uuid.UUID | None


def breakers() -> Snapshot[Mapping[str, SharedState]]:
    """Return the snapshot of what all processes know."""
    return Snapshot(tables=["llm_breaker"], load=load_breakers, empty={})


async def load_breakers(connection: Connection) -> Mapping[str, SharedState]:
    """Read what is known of every target."""
    cursor = await connection.execute(_LOAD)
    rows: list[Any] = await cursor.fetchall()
    return {target: SharedState(*rest) for target, *rest in rows}


class Health:
    """One process's view of its targets, and its voice among the others.

    A target is a model's name; a provider's slug stands for its credential.
    """

    def __init__(
        self,
        pool: Pool,
        shared: Snapshot[Mapping[str, SharedState]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool = pool
        self._shared = shared
        self._clock = clock
        self._me = uuid.uuid4()
        self._breakers: defaultdict[str, Breaker] = defaultdict(Breaker)
        self._heard: dict[str, dt.datetime] = {}
        self._saturated: dict[str, float] = {}
        self._pauses: dict[str, _Pause] = {}
        self._telling: set[asyncio.Task[None]] = set()

    def ordered(self, targets: Sequence[Target]) -> Sequence[Target]:
        """Put what is well first, what has enough to do next, what is left alone last."""
        if len(targets) == 1:
            return targets
        return sorted(targets, key=self._rank)

    def is_well(self, target: Target) -> bool:
        """Say whether a call to the target would pass, and be welcome."""
        return self._rank(target) == 0

    def is_left_alone(self, target: Target) -> bool:
        """Say whether the target fails, or its provider refuses our credential."""
        return self._rank(target) == _LEFT_ALONE

    def ask(self, target: Target) -> Permit | None:
        """Return a permit for a call; None while the target is to be left alone.

        A saturated target or a paused credential is asked all the same when it comes
        to that: nobody else can serve, and the refusal costs nothing.
        """
        forced = self._forced(target.model)
        if forced:
            return Permit() if forced == "closed" else None
        return self._breaker(target.model).ask(self._clock())

    def wait_s(self, target: Target) -> float:
        """Return how long a target will be left alone, as far as is known."""
        left = self._breakers[target.model].opened_at + COOL_DOWN_S - self._clock()
        return min(max(1.0, left), COOL_DOWN_S)

    def succeeded(self, target: Target, permit: Permit) -> None:
        """Take in a call that was served."""
        if self._breaker(target.model).succeeded(permit, self._clock()):
            self._tell(target.model, "closed", "answered again")
        if self._pauses.pop(target.upstream.slug, None) is not None:
            self._tell(target.upstream.slug, "closed", "answered again")

    def refused(self, target: Target, permit: Permit, refusal: Refusal) -> None:
        """Take in a call that was not served."""
        breaker, now = self._breaker(target.model), self._clock()
        if refusal.health == "failed":
            if breaker.failed(permit, now):
                self._tell(target.model, "open", refusal.error.code)
            return
        breaker.abandoned(permit)
        if refusal.health == "saturated":
            wait_s = refusal.retry_after_s or _SATURATED_S
            self._saturated[target.model] = now + wait_s
        elif refusal.health == "paused":
            self._pause(target, refusal.error.code)

    def abandoned(self, target: Target, permit: Permit) -> None:
        """Take in a call that was called off before anything was known."""
        self._breaker(target.model).abandoned(permit)

    async def told(self) -> None:
        """Wait until the other processes can know what this one knows."""
        await asyncio.gather(*self._telling, return_exceptions=True)

    def _rank(self, target: Target) -> int:
        now = self._clock()
        forced = self._forced(target.model)
        if forced == "open" or self._is_paused(target):
            return _LEFT_ALONE
        if not forced and not self._breaker(target.model).would_allow(now):
            return _LEFT_ALONE
        return 1 if self._saturated.get(target.model, now) > now else 0

    def _forced(self, name: str) -> str:
        shared = self._shared.current.get(name)
        return shared.forced if shared else ""

    def _breaker(self, name: str) -> Breaker:
        """Return a target's breaker after hearing what others said of it since."""
        if len(self._breakers) >= _MOST_KNOWN and name not in self._breakers:
            self._forget()
        breaker = self._breakers[name]
        if (news := self._news(name)) == "open" and breaker.state == "closed":
            breaker.open(self._clock())
        elif news == "closed" and breaker.state != "closed":
            breaker.close()
        return breaker

    def _forget(self) -> None:
        """Let go of what has nothing to say: callers may name models without end."""
        now = self._clock()
        for name, breaker in list(self._breakers.items()):
            if breaker.state == "closed":
                del self._breakers[name]
        for name, until in list(self._saturated.items()):
            if until <= now:
                del self._saturated[name]

    def _news(self, name: str) -> str:
        """Return what another process said last, once."""
        shared = self._shared.current.get(name)
        if shared is None or self._heard.get(name) == shared.changed_at:
            return ""
        self._heard[name] = shared.changed_at
        # Our own word comes back to us late, when we may know better.
        return "" if shared.changed_by == self._me else shared.state

    def _is_paused(self, target: Target) -> bool:
        slug, secret = target.upstream.slug, target.upstream.secret
        if news := self._news(slug):
            self._pauses.pop(slug, None)
            if news == "open":
                self._pauses[slug] = _Pause(self._clock() + PAUSE_S, secret)
        pause = self._pauses.get(slug)
        # A new credential ends the pause of the old one.
        return pause is not None and (
            pause.until > self._clock() and pause.secret == secret
        )

    def _pause(self, target: Target, reason: str) -> None:
        slug = target.upstream.slug
        if not self._is_paused(target):
            log.error("provider %s refuses our credential: %s", slug, reason)
            self._tell(slug, "open", reason)
        self._pauses[slug] = _Pause(self._clock() + PAUSE_S, target.upstream.secret)

    def _tell(self, name: str, state: str, reason: str) -> None:
        log.warning("%s is %s: %s", name, state, reason)
        task = asyncio.create_task(self._write(name, state, reason))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _write(self, name: str, state: str, reason: str) -> None:
        try:
            async with self._pool.connection(timeout=2) as connection:
                await connection.execute(_CHANGE, [name, state, reason, self._me])
        except (psycopg.Error, OSError) as error:
            # The others find out by themselves, five calls later.
            log.warning("could not tell that %s is %s: %s", name, state, error)


@dataclass(frozen=True, slots=True)
class _Pause:
    """Until when a credential is the last resort, and which one it was."""

    until: float
    secret: str
