"""Which upstream client and which ASGI server the hot path wants: bare proxies."""

from statistics import median

from benchmarks import load
from benchmarks.installation import UVICORN, simulate
from benchmarks.report import spread, table
from benchmarks.stage import Server, Stage

ROUNDS = 4
_SECONDS = 1.0
_WARM_S = 0.5
_BUSY = 16

_CLIENTS = {
    "aiohttp": "over_aiohttp",
    "httpx over aiohttp": "over_httpx_aiohttp",
    "httpx": "over_httpx",
}
_GRANIAN = (
    *("-m", "granian", "--interface", "asgi", "--host", "127.0.0.1"),
    *("--port", "{port}", "--workers", "1", "--loop", "uvloop", "--log-level", "error"),
)
_SERVERS = {"uvicorn": UVICORN, "granian": _GRANIAN}


def main() -> int:
    """Measure and print."""
    with Stage() as stage:
        simulator = simulate(stage)
        environ = {"BENCHMARK_UPSTREAM": str(simulator.port)}
        proxies = {
            f"{client} under {server}": stage.serve(
                f"{server}-{app}",
                *words,
                f"benchmarks.bare_proxy:{app}",
                measured=True,
                environ=environ,
            )
            for client, app in _CLIENTS.items()
            for server, words in _SERVERS.items()
        }
        print(f"\nBare proxies: {stage.describe()}; {ROUNDS} rounds, median (range)")
        _print(_measure(proxies))
    return 0


Values = dict[str, list[tuple[float, float]]]


def _measure(proxies: dict[str, Server]) -> Values:
    """Return requests a second and CPU milliseconds a request, a pair a round."""
    values: Values = {name: [] for name in proxies}
    for server in proxies.values():
        _load(server, _WARM_S)
    for _ in range(ROUNDS):
        for name, server in proxies.items():
            before = server.cpu_s()
            result = _load(server, _SECONDS)
            spent = (server.cpu_s() - before) * 1000
            values[name].append((result.per_second, spent / result.requests))
    return values


def _load(server: Server, seconds: float) -> load.Result:
    target = load.Target(server.port, "sim-instant")
    return load.run(target, concurrency=_BUSY, seconds=seconds)


def _print(values: Values) -> None:
    best = max(median(rate for rate, _ in pairs) for pairs in values.values())
    rows = [
        [
            name,
            spread([rate for rate, _ in pairs], 0),
            f"{median(rate for rate, _ in pairs) / best:.2f}",
            spread([cpu for _, cpu in pairs], 3),
        ]
        for name, pairs in values.items()
    ]
    print(table(["", f"requests/s c{_BUSY}", "× best", "CPU ms"], rows))
