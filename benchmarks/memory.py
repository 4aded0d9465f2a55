"""Whether the web worker's memory grows while it serves, everything on.

Prompts are all different, so what it keeps fills up: the cache of answers to its bound
of bytes, first of all, twice over, since the allocator needs some more until it finds
room for new answers where old ones were. Only what comes after that is growth; a leak
of 100 bytes a call is 20 MB.
"""

import http.client
from collections.abc import Iterator

import orjson
import psutil

from benchmarks import books, load
from benchmarks.comparison import BUSY, Subject
from benchmarks.installation import INSTANT, PRODUCT, STREAMED, install, simulate
from benchmarks.report import verdict
from benchmarks.stage import Server, Stage
from llm.gateway.byte_lru import OVERHEAD_BYTES
from llm.gateway.cache_store import NEAR_BYTES

CALLS = 200_000
_STEP = 20_000
_JSON_S, _STREAM_S = 4.0, 1.0

MOST_GROWTH = 5.0


def main() -> int:
    """Measure and print; 1 when it grows or the books are wrong."""
    with Stage() as stage:
        simulator = simulate(stage)
        installation = install(stage, simulator)
        environ = installation.environ
        product = stage.serve("web", *PRODUCT, measured=True, environ=environ)
        web = Subject(
            "web", product, prefix="bench/", key=installation.limited_key, cache=True
        )
        print(f"\nMemory of a web worker: {stage.describe()}")
        calls = _Calls(web)
        filled = NEAR_BYTES // (OVERHEAD_BYTES + _answer_bytes(simulator))
        first_mb, last_mb = calls.measure(2 * filled), calls.measure(CALLS)
        wrong = [*calls.errors, *books.check(stage, installation, calls.made)]
    for problem in wrong:
        print(f"MISS  {problem}")
    growth = (last_mb / first_mb - 1) * 100
    held = verdict(f"growth over {CALLS:,} calls, %", growth, most=MOST_GROWTH)
    print(held)
    return 1 if wrong or held.startswith("MISS") else 0


class _Calls:
    """Calls to one worker, some of them streams, and what became of them."""

    def __init__(self, web: Subject) -> None:
        self.made = 0
        self.errors: list[str] = []
        self._web = web

    def measure(self, calls: int) -> float:
        """Make at least so many calls; return the megabytes resident afterwards."""
        end, shown = self.made + calls, self.made
        for result in self._loads():
            self.made += result.requests
            self.errors += [f"{n} × {error}" for error, n in result.errors.items()]
            if self.made - shown >= _STEP or self.made >= end or self.errors:
                shown = self.made
                print(f"{self.made:>9,} calls  {self._resident_mb():7.1f} MB")
            if self.made >= end or self.errors:
                break
        return self._resident_mb()

    def _loads(self) -> Iterator[load.Result]:
        json, stream = (
            self._web.target(INSTANT),
            self._web.target(STREAMED, stream=True),
        )
        while True:
            yield load.run(json, concurrency=BUSY, seconds=_JSON_S)
            yield load.run(stream, concurrency=BUSY, seconds=_STREAM_S)

    def _resident_mb(self) -> float:
        pid = self._web.server.process.pid
        return float(psutil.Process(pid).memory_info().rss) / 1e6


def _answer_bytes(simulator: Server) -> int:
    """Return the length of an instant answer, the smallest that is kept."""
    connection = http.client.HTTPConnection("127.0.0.1", simulator.port, timeout=10)
    body = {"model": INSTANT, "messages": [{"role": "user", "content": "Hello"}]}
    try:
        connection.request("POST", "/v1/chat/completions", orjson.dumps(body))
        return len(connection.getresponse().read())
    finally:
        connection.close()
