"""`python -m benchmarks [name…]`: those named, or all that need only our own locks."""

import argparse
import sys
from collections.abc import Callable, Mapping

from benchmarks import (
    cache_hits,
    gateway,
    holds,
    memory,
    overview,
    peers,
    proxies,
    streams,
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
# Has an environment of its own, installed when it is asked for.
_ASKED_FOR: Mapping[str, Callable[[], int]] = {"peers": peers.main}


def main() -> int:
    """Run them one after the other; 1 when one misses its bar or cannot run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    known = {**_BENCHMARKS, **_ASKED_FOR}
    parser.add_argument("name", nargs="*", choices=[[], *known], metavar="name")
    names = parser.parse_args().name or list(_BENCHMARKS)
    try:
        return max(known[name]() for name in names)
    except (BenchmarkError, InstallationError) as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
