"""A closed-loop load generator: every caller sends its next request on its last answer.

Raw pre-built HTTP/1.1 on kept connections, and as little parsing as tells where an
answer ends, so that the generator takes 0.02 ms of CPU a request and not a client
library's 0.2.
"""

import asyncio
import gc
import math
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, repeat
from typing import cast

import orjson
import uvloop

from benchmarks.answer import Answer

_HEAD_END = b"\r\n\r\n"
_ANSWER_S = 10.0


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go, and what they say.

    number: makes every request the same one, of that number. expects: what each
    answer's head has to hold, in lower case.
    """

    port: int
    model: str
    path: str = "/v1/chat/completions"
    key: str = "sk-nobody"
    stream: bool = False
    cache: bool = False
    number: int | None = None
    expects: bytes = b""

    def requests(self) -> Iterator[bytes]:
        """Return requests without end.

        No two in all the loads have the same text, if the target names no number.
        """
        number = f"{0:012d}"
        message = {
            "role": "user",
            "content": f"{number}: which of our parcels is late?",
        }
        body = {
            "model": self.model,
            "messages": [{"role": "system", "content": _SYSTEM}, message],
            "max_tokens": 256,
            "temperature": 0.2,
            "stream": self.stream,
        }
        head, tail = self._request(orjson.dumps(body)).split(number.encode())
        numbers = _NUMBERS if self.number is None else repeat(self.number)
        return (b"%b%012d%b" % (head, place, tail) for place in numbers)

    def _request(self, body: bytes) -> bytes:
        head = (
            f"POST {self.path} HTTP/1.1",
            f"Host: 127.0.0.1:{self.port}",
            "Accept: application/json",
            *(["X-Devora-Cache-Control: use"] if self.cache else []),
            "Content-Type: application/json",
            "User-Agent: benchmark",
            f"Authorization: Bearer {self.key}",
            f"Content-Length: {len(body)}",
        )
        return "\r\n".join(head).encode() + _HEAD_END + body


# One count for all: a text that came again would be answered from the cache.
_NUMBERS = count()

_SYSTEM = (
    "You answer questions about parcels. Be brief, name the parcel's number, and when "
    "you do not know where a parcel is, say so instead of guessing."
)


@dataclass(slots=True)
class Result:
    """What a load came to; only whole answers with status 200 have a latency.

    first_bytes_ms: until the first byte of the body.
    """

    seconds: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    first_bytes_ms: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    @property
    def requests(self) -> int:
        """How many were answered well."""
        return len(self.latencies_ms)

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds

    def latency_ms(self, q: float) -> float:
        """Return a quantile of the latencies."""
        return _quantile(self.latencies_ms, q)

    def first_byte_ms(self, q: float) -> float:
        """Return a quantile of the times to the first byte."""
        return _quantile(self.first_bytes_ms, q)


def _quantile(values: list[float], q: float) -> float:
    if not values:
        return math.nan
    return sorted(values)[min(len(values) - 1, int(q * len(values)))]


def run(
    target: Target, *, concurrency: int, seconds: float, ramp_s: float = 0.0
) -> Result:
    """Keep a number of callers busy; requests under way at the end are waited for.

    ramp_s: how long it takes until the last caller has begun.
    """
    load = _Load(target, seconds)
    gc.collect()
    gc.disable()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(load.run(concurrency, ramp_s))
    finally:
        gc.enable()
    return load.result


class _Load:
    """One run: what its callers share."""

    def __init__(self, target: Target, seconds: float) -> None:
        self.result = Result()
        self.target = target
        self._requests = target.requests()
        self._seconds = seconds
        self._ends_at = 0.0

    async def run(self, concurrency: int, ramp_s: float) -> None:
        began = time.perf_counter()
        self._ends_at = began + self._seconds
        waits = (ramp_s * place / concurrency for place in range(concurrency))
        await asyncio.gather(*map(self._keep_calling, waits))
        self.result.seconds = time.perf_counter() - began

    def next(self) -> bytes | None:
        """Return the next request, None when time is up."""
        if time.perf_counter() >= self._ends_at:
            return None
        return next(self._requests)

    async def _keep_calling(self, wait_s: float) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(wait_s)
        while time.perf_counter() < self._ends_at:
            _, caller = await loop.create_connection(
                lambda: _Caller(self), "127.0.0.1", self.target.port
            )
            try:
                left_s = self._ends_at - time.perf_counter() + _ANSWER_S
                await asyncio.wait_for(caller.ended, left_s)
            except TimeoutError:
                self.result.errors["no answer"] += 1
                caller.close()


class _Caller(asyncio.Protocol):
    """One connection with at most one request under way."""

    def __init__(self, load: _Load) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._load = load
        self._transport: asyncio.WriteTransport
        self._waits = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's own
        self._call()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waits:
            self._load.result.errors["closed"] += 1
        if not self.ended.done():
            self.ended.set_result(None)

    def close(self) -> None:
        self._waits = False
        self._transport.close()

    def _call(self) -> None:
        request = self._load.next()
        if request is None:
            self.close()
            return
        self._answer = Answer()
        self._first_byte_at = 0.0
        self._waits = True
        self._began = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        whole = answer.feed(data)
        if not self._first_byte_at and answer.has_body:
            self._first_byte_at = time.perf_counter()
        if whole:
            self._count(answer)
            self._waits = False
            self._call()

    def _count(self, answer: Answer) -> None:
        result, target = self._load.result, self._load.target
        if answer.status != 200:
            result.errors[f"status {answer.status}"] += 1
        elif target.stream and not answer.says_done:
            result.errors["stream without its end"] += 1
        elif target.expects not in answer.head:
            result.errors[f"answer without {target.expects.decode()}"] += 1
        else:
            now = time.perf_counter()
            result.latencies_ms.append((now - self._began) * 1000)
            result.first_bytes_ms.append((self._first_byte_at - self._began) * 1000)
