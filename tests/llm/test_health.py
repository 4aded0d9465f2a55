"""What a process remembers of its targets, without a database."""

from typing import Any, cast

from llm.gateway.health import Health, breakers
from llm.gateway.refusals import from_status
from llm.snapshot import Target, Upstream

UPSTREAM = Upstream("p", "compatible", "http://x/v1", False, "")
_MOST_KNOWN = 1000


class _Silent(Health):
    def _tell(self, name: str, state: str, reason: str) -> None:
        """Tell nobody: there is no database."""


def fail(health: Health, name: str) -> None:
    target = Target(UPSTREAM, name)
    permit = health.ask(target)
    assert permit is not None
    health.refused(target, permit, from_status(500, {}, b""))


def test_names_without_end_are_forgotten_and_open_breakers_are_not():
    health = _Silent(cast(Any, None), breakers())
    for _ in range(5):
        fail(health, "broken")
    for number in range(5 * _MOST_KNOWN):
        fail(health, f"typo-{number}")
    assert health.ask(Target(UPSTREAM, "broken")) is None
    assert len(health._breakers) <= _MOST_KNOWN
