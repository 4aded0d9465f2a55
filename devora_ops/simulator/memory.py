"""What the simulator remembers while it runs: requests, counts, holds, failures.

Everything here may be lost; what was accepted and billed stands in the journal.
"""

import asyncio
from collections import Counter, defaultdict, deque
from datetime import UTC, datetime
from random import Random
from typing import Any, NamedTuple

import orjson

from devora_ops.simulator.behaviours import Script
from devora_ops.simulator.connection import Connection, Headers

_MOST_REQUESTS = 1000
_MOST_BYTES = 64 << 20


class Request(NamedTuple):
    """A request as it arrived; shown decoded, kept raw because that costs nothing."""

    at: float
    path: str
    headers: Headers
    body: bytes
    attempt: str | None

    def shown(self) -> dict[str, Any]:
        try:
            body = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            body = self.body.decode(errors="replace")
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in self.headers}
        return {
            "at": datetime.fromtimestamp(self.at, UTC),
            "path": self.path,
            "attempt": self.attempt,
            "headers": headers,
            "body": body,
        }


class Requests:
    """The last 1,000 requests, or the last 64 MB of them."""

    def __init__(self) -> None:
        self._kept: deque[Request] = deque()
        self._bytes = 0

    def add(self, request: Request) -> None:
        self._kept.append(request)
        self._bytes += len(request.body)
        while len(self._kept) > _MOST_REQUESTS or self._bytes > _MOST_BYTES:
            self._bytes -= len(self._kept.popleft().body)

    def shown(self, attempt: str | None) -> list[dict[str, Any]]:
        return [
            request.shown()
            for request in self._kept
            if attempt is None or request.attempt == attempt
        ]

    def clear(self) -> None:
        self._kept.clear()
        self._bytes = 0


class Holds:
    """The answers that wait to be released, oldest first, by model name."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Future[None], str] = {}

    async def wait(self, connection: Connection, model: str) -> None:
        """Return when released. Raises ClientGoneError."""
        released: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[released] = model
        try:
            await connection.wait_for(released)
        finally:
            self._waiting.pop(released, None)

    def release(self, *, model: str | None = None, count: int | None = None) -> int:
        """Let the oldest `count` (all) of a model (any) go; return how many went."""
        chosen = [
            released
            for released, name in self._waiting.items()
            if model is None or name == model
        ][:count]
        for released in chosen:
            del self._waiting[released]
            if not released.done():
                released.set_result(None)
        return len(chosen)

    def by_model(self) -> Counter[str]:
        return Counter(self._waiting.values())


class Memory:
    """One simulator's memory. roles: the names that models act as, by their own."""

    def __init__(self, seed: int = 0) -> None:
        self.roles: dict[str, str] = {}
        self._dice = Random(seed)
        self.requests = Requests()
        self.holds = Holds()
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._seen: Counter[tuple[str, bytes]] = Counter()

    def count(self, model: str, *events: str) -> None:
        counts = self._counts[model]
        for event in events:
            counts[event] += 1

    def due(self, script: Script, model: str, body: bytes) -> Script:
        """Return the script, or its calm form where a request is left alone."""
        if script.calm is None:
            return script
        if script.percent is not None and self._dice.random() * 100 >= script.percent:
            return script.calm
        if script.times is None:
            return script
        self._seen[model, body] += 1
        return script if self._seen[model, body] <= script.times else script.calm

    def state(self) -> dict[str, Any]:
        waiting = self.holds.by_model()
        totals: Counter[str] = Counter()
        for counts in self._counts.values():
            totals.update(counts)
        models = {
            model: {**_ZEROES, **counts, "waiting": waiting[model]}
            for model, counts in self._counts.items()
        }
        return {**_ZEROES, **totals, "waiting": waiting.total(), "models": models}

    def forget(self) -> None:
        self.requests.clear()
        self._counts.clear()
        self._seen.clear()
        self.roles.clear()


_ZEROES = {"requests": 0, "accepted": 0, "refused": 0, "billed": 0, "client_gone": 0}
