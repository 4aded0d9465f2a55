"""`python -m benchmarks [gateway | proxies | overview]`: all of them, or those named."""

import argparse
import sys
from collections.abc import Callable, Mapping

from benchmarks import gateway, overview, proxies
from benchmarks.stage import BenchmarkError
from devora_ops.embedded import InstallationError

_BENCHMARKS: Mapping[str, Callable[[], int]] = {
    "gateway": gateway.main,
    "proxies": proxies.main,
    "overview": overview.main,
}


def main() -> int:
    """Run them one after the other; 1 when one misses its bar or cannot run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("name", nargs="*", choices=[[], *_BENCHMARKS], metavar="name")
    names = parser.parse_args().name or list(_BENCHMARKS)
    try:
        return max(_BENCHMARKS[name]() for name in names)
    except (BenchmarkError, InstallationError) as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
