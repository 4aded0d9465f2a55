"""Scenarios in two forms: short in `make test`, long and judged in `make chaos`."""

from collections.abc import Iterator
from random import Random

import pytest

from tests.chaos.figures import Figures
from tests.chaos.installation import ChaosInstallation
from tests.conftest import Blocker

_FIGURES = pytest.StashKey[Figures]()


@pytest.hookimpl(trylast=True)  # once pytest-randomly has chosen its seed
def pytest_configure(config: pytest.Config) -> None:
    """Make the place where figures are collected."""
    config.stash[_FIGURES] = Figures(
        judged=config.getoption("figures"), seed=int(config.getoption("randomly_seed"))
    )


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the figures of a long run."""
    figures = config.stash[_FIGURES]
    if figures.measured:
        terminalreporter.section("figures")
        for line in figures.lines():
            terminalreporter.write_line(line)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a long run that missed a figure."""
    if session.config.stash[_FIGURES].missed and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> Figures:
    """Collect what is measured; `judged` says which form a scenario runs in."""
    return pytestconfig.stash[_FIGURES]


@pytest.fixture
def random(figures: Figures) -> Random:
    """Return this scenario's dice; the seed is printed, so that they roll alike."""
    print(f"seed {figures.seed}")  # noqa: T201 (shown when the scenario fails)
    return Random(figures.seed)


@pytest.fixture(scope="module")
def staged(
    django_db_blocker: Blocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ChaosInstallation]:
    """Run an installation for one module: two web processes, and all that they need."""
    with ChaosInstallation(
        tmp_path_factory.mktemp("chaos"), unblock=django_db_blocker.unblock
    ) as running:
        yield running


@pytest.fixture(scope="session")
def shared(
    django_db_blocker: Blocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ChaosInstallation]:
    """Run an installation for all scenarios that leave it as they found it.

    Their models and providers are their own: nothing that one broke is another's.
    """
    with ChaosInstallation(
        tmp_path_factory.mktemp("shared"), unblock=django_db_blocker.unblock
    ) as running:
        yield running
