"""Single flight: of identical calls at the same time one asks, the others wait for it."""

import asyncio
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from llm.gateway.cache_entry import Entry

_PATIENCE_S = 120.0


class Flights:
    """The calls of this process that others may follow.

    patience_s: how long a follower waits before it goes on by itself.
    """

    def __init__(self, *, patience_s: float = _PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._leads: dict[str, Lead] = {}

    def lead_or_follow(self, key: str) -> "Lead | Follower":
        """Return the lead of a new flight, or a place in the one under way.

        Take it before looking into the cache: whoever looks first and leads afterwards
        may ask again for what landed in between.
        """
        leading = self._leads.get(key)
        if leading is not None:
            return Follower(leading.landing, self._patience_s)
        lead = self._leads[key] = Lead(self, key)
        return lead

    def end(self, key: str) -> None:
        """Let the next identical call lead."""
        self._leads.pop(key, None)


@dataclass(slots=True)
class Lead:
    """The right to ask, as a context manager.

    Whichever way it is left without `land` (an error, a cancellation, an answer that
    may not be cached), the followers are told to go on by themselves.
    """

    flights: Flights
    key: str
    landing: "asyncio.Future[Entry | None]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.give_up()

    def land(self, entry: Entry) -> None:
        """Give the followers their answer; put it into the cache before."""
        self._end(entry)

    def give_up(self) -> None:
        """Tell the followers to go on by themselves, as soon as that is known."""
        self._end(None)

    def _end(self, entry: Entry | None) -> None:
        if not self.landing.done():
            self.landing.set_result(entry)
            self.flights.end(self.key)


@dataclass(frozen=True, slots=True)
class Follower:
    """A place behind a lead."""

    landing: "asyncio.Future[Entry | None]"
    patience_s: float

    async def entry(self) -> Entry | None:
        """Wait for the lead's answer; None: go on by yourself. Never its error."""
        # `wait` leaves the landing alone when this follower is cancelled.
        done, _ = await asyncio.wait([self.landing], timeout=self.patience_s)
        return self.landing.result() if done else None
