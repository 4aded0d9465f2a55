"""The Overview over a month of rollups: each panel the first time, and once kept."""

import http.client
import re
import time
from collections import defaultdict
from statistics import median

import redis

from benchmarks.installation import PRODUCT, Installation, install, shell, simulate
from benchmarks.report import spread, table
from benchmarks.stage import BenchmarkError, Server, Stage

ROUNDS = 8
RANGE = "30d"
_SIGN_IN = "from benchmarks.provision import sign_in; print(sign_in())"
_PANEL = re.compile(r'hx-get="(/overview/[a-z-]+/)["?]')

Times = dict[str, list[float]]


def main() -> int:
    """Measure and print."""
    with Stage() as stage:
        installation = install(stage, simulate(stage))
        _fill(stage, installation)
        cookie = shell(stage, "sign-in", _SIGN_IN, installation.environ)
        web = stage.serve("web", *PRODUCT, measured=True, environ=installation.environ)
        pages = ["/", *_panels(web, cookie)]
        first, kept = _measure(web, cookie, pages, installation)
        print(
            f"\nOverview, {RANGE} of demo data: {stage.describe()}; {ROUNDS} rounds, "
            "median (range)"
        )
        rows = [[page, spread(first[page], 1), spread(kept[page], 1)] for page in pages]
        print(table(["", "first ms", "kept ms"], rows))
        slowest = max(median(values) for values in first.values())
        print(f"\nslowest part, first time: {slowest:.0f} ms")
    return 0


def _fill(stage: Stage, installation: Installation) -> None:
    environ = installation.environ
    stage.run(
        "collectstatic", "manage.py", "collectstatic", "--noinput", environ=environ
    )
    stage.run("demo", "manage.py", "demo", "load", environ=environ)


def _panels(web: Server, cookie: str) -> list[str]:
    """Return the parts that the page asks for."""
    _, page = _get(web, "/", cookie)
    found = dict.fromkeys(_PANEL.findall(page))
    if not found:
        raise BenchmarkError("the Overview names no panels: is somebody signed in?")
    return list(found)


def _measure(
    web: Server, cookie: str, pages: list[str], installation: Installation
) -> tuple[Times, Times]:
    first: Times = defaultdict(list)
    kept: Times = defaultdict(list)
    cache = redis.Redis.from_url(installation.environ["REDIS_URL"])
    with cache:
        for _ in range(ROUNDS):
            cache.flushdb()
            for times in (first, kept):
                for page in pages:
                    spent_ms, _text = _get(web, f"{page}?range={RANGE}", cookie)
                    times[page].append(spent_ms)
    return first, kept


def _get(web: Server, path: str, cookie: str) -> tuple[float, str]:
    """Return how many milliseconds a page took, and the page."""
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=30)
    try:
        began = time.perf_counter()
        connection.request("GET", path, headers={"Cookie": cookie})
        answer = connection.getresponse()
        text = answer.read().decode()
        spent_ms = (time.perf_counter() - began) * 1000
    finally:
        connection.close()
    if answer.status != 200:
        raise BenchmarkError(f"{path} answers with status {answer.status}")
    return spent_ms, text
