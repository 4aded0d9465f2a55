"""A load for as long as a scenario takes, whatever that is on this machine."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.chaos.installation import ChaosInstallation
from tests.chaos.load import OpenLoad
from tests.chaos.requests import Request


@contextmanager
def endless(
    staged: ChaosInstallation,
    calls: Iterator[Request],
    *,
    per_second: float,
    ports: Sequence[int] = (),
) -> Iterator[OpenLoad]:
    """Send calls until the block is left, also by an error; wait for their answers.

    ports: of the web processes that are called; without any, all of them.
    """
    with OpenLoad(
        calls, ports=lambda: ports or staged.ports(), per_second=per_second
    ) as load:
        try:
            yield load
        finally:
            load.stop()
