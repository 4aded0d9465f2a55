"""`python -m benchmarks [name…]`: those named, or all that need only our own locks.

A number after `what-if` says how many rows it is to fill its database with.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from benchmarks import (
    cache_hits,
    gateway,
    holds,
    memory,
    overview,
    peers,
    proxies,
    streams,
    what_if,
)
from benchmarks.stage import BenchmarkError
from devora_ops.embedded import InstallationError

_BENCHMARKS: Mapping[str, Callable[[], int]] = {
    "gateway": gateway.main,
    "cache_hits": cache_hits.main,
    "holds": holds.main,
    "streams": streams.main,
    "proxies": proxies.main,
    "overview": overview.main,
    "memory": memory.main,
}
# One has an environment of its own, one fills a database: installed, and filled, when it
# is asked for.
_ASKED_FOR: Mapping[str, Callable[[], int]] = {
    "peers": peers.main,
    "what-if": what_if.main,
}
_KNOWN = {**_BENCHMARKS, **_ASKED_FOR}


def main() -> int:
    """Run them one after the other; 1 when one misses its bar or cannot run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("name", nargs="*", type=_word, metavar="name")
    words = parser.parse_args().name or list(_BENCHMARKS)
    try:
        return max(run() for run in _runs(words))
    except (BenchmarkError, InstallationError) as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _word(text: str) -> str | int:
    """Return a benchmark's name, or the number behind one."""
    if text in _KNOWN:
        return text
    if text.isascii() and text.isdigit() and int(text):
        return int(text)
    raise argparse.ArgumentTypeError(f"choose among {', '.join(_KNOWN)}")


def _runs(words: Sequence[str | int]) -> Iterator[Callable[[], int]]:
    for word, behind in zip(words, [*words[1:], None], strict=True):
        if word == "what-if" and isinstance(behind, int):
            yield partial(what_if.main, behind)
        elif isinstance(word, str):
            yield _KNOWN[word]


if __name__ == "__main__":
    sys.exit(main())
