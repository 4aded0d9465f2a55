"""What happens in the demo's thirty days, as times counted back from now.

16 days ago   the research assistant's budget is used up for an evening
11 days ago   the code reviewer's prompt is promoted to a version half as dear
 8 days ago   an experiment on shorter support answers begins; it is under way
 5 days ago   (a weekday) Anthropic fails for 90 minutes of the afternoon
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from devora_ops.simulator.cast import REVIEWER, SUPPORT, Role, Sizes

PARIS = ZoneInfo("Europe/Paris")
EXPERIMENT = "support-shorter-answers"
CONTROL, SHORTER = "control", "shorter"
FAILING_PROVIDER = "anthropic"
FALLBACKS = {
    "anthropic/claude-sonnet-5": "openrouter/anthropic/claude-sonnet-5",
    "anthropic/claude-opus-5-5": "openrouter/anthropic/claude-opus-5.5",
    "anthropic/claude-haiku-4-5": "openrouter/anthropic/claude-haiku-4.5",
}

_SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Span:
    """From start up to, not including, end; aware UTC."""

    start: datetime
    end: datetime

    def __contains__(self, at: datetime) -> bool:
        return self.start <= at < self.end


@dataclass(frozen=True, slots=True)
class Serving:
    """What serves a call: the version, the sizes that come of it, and the variant."""

    version: int
    sizes: Sizes
    experiment: str = ""
    variant: str = ""


class Story:
    """The events around one `now`."""

    def __init__(self, now: datetime) -> None:
        self.promotion = _local(now, days_ago=11, hour=10, minute=20).astimezone(UTC)
        self.experiment = _local(now, days_ago=8, hour=9, minute=0).astimezone(UTC)
        self.incident = _span(
            _weekday(_local(now, days_ago=5, hour=14, minute=10)), minutes=90
        )
        self.budget_gone = _span(
            _weekday(_local(now, days_ago=16, hour=15, minute=40)), minutes=200
        )
        cheaper = REVIEWER.sizes.times(input_by=0.52, output_by=0.8)
        self._reviewer_before = Serving(REVIEWER.version, REVIEWER.sizes)
        self._reviewer_after = Serving(REVIEWER.version + 1, cheaper)
        sizes = SUPPORT.sizes
        self._control = Serving(SUPPORT.version, sizes, EXPERIMENT, CONTROL)
        self._shorter = Serving(
            SUPPORT.version + 1,
            sizes.times(input_by=1.03, output_by=0.78),
            EXPERIMENT,
            SHORTER,
        )

    def serving(self, role: Role, at: datetime, person: int) -> Serving:
        """Return what serves a person's call; a person keeps the variant."""
        if role is REVIEWER:
            promoted = at >= self.promotion
            return self._reviewer_after if promoted else self._reviewer_before
        if role is SUPPORT and at >= self.experiment:
            # People of low numbers call more often; odd and even share them fairly.
            return self._shorter if person % 2 else self._control
        return Serving(role.version, role.sizes)


def _local(now: datetime, *, days_ago: int, hour: int, minute: int) -> datetime:
    day = now.astimezone(PARIS) - timedelta(days=days_ago)
    return day.replace(hour=hour, minute=minute, second=0, microsecond=0)


def _weekday(at: datetime) -> datetime:
    """Return the same time on the Friday before, when it is a weekend."""
    return at - timedelta(days=max(0, at.weekday() - _SATURDAY + 1))


def _span(start: datetime, *, minutes: int) -> Span:
    start = start.astimezone(UTC)
    return Span(start, start + timedelta(minutes=minutes))
