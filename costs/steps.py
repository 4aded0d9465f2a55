"""What a budget's steps say of a call: go to a cheaper route, or to the cache alone.

The steps act on what the running period has used, seen about once a second. They save
money and guard none: that no budget is overrun is up to the hold of each attempt.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Literal, Protocol

from costs.facts import Who
from costs.snapshot import Budgets

Action = Literal["route_down", "cache_only"]
_STRICTER: Final[Mapping[Action, int]] = {"route_down": 0, "cache_only": 1}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The step that a budget stands at, of those that do something to a call.

    at: the percentage that the step begins at. share: the part of the limit that is
    used, in percent, money set aside included; infinite where the limit is 0. to: where
    calls are routed down to, also from the cache's step on; empty where they are not.
    """

    budget: int
    name: str
    action: Action
    at: int
    to: str
    left_usd: Decimal
    share: Decimal

    @property
    def severity(self) -> tuple[int, Decimal, int]:
        """What verdicts are compared by: the action, how far gone, and the older one."""
        return _STRICTER[self.action], self.share, -self.budget


class Stepped(Protocol):
    """A budget as far as its steps go: a row's, or the data plane's."""

    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def limit_usd(self) -> Decimal: ...
    @property
    def route_down_at(self) -> int | None: ...
    @property
    def route_down_to(self) -> str: ...
    @property
    def cache_only_at(self) -> int | None: ...


def step_of(scope: Stepped, used: Decimal) -> Verdict | None:
    """Return the strictest step that a budget has reached; None before the first.

    used: what its running period has spent and set aside, in USD.
    """
    reached: list[tuple[Action, int]] = []
    if scope.route_down_at is not None:
        reached.append(("route_down", scope.route_down_at))
    if scope.cache_only_at is not None:
        reached.append(("cache_only", scope.cache_only_at))
    reached = [each for each in reached if used * 100 >= scope.limit_usd * each[1]]
    if not reached:
        return None
    action, at = max(reached, key=lambda step: _STRICTER[step[0]])
    return Verdict(
        budget=scope.id,
        name=scope.name,
        action=action,
        at=at,
        to=scope.route_down_to if reached[0][0] == "route_down" else "",
        left_usd=max(scope.limit_usd - used, Decimal(0)),
        share=used * 100 / scope.limit_usd if scope.limit_usd else Decimal("inf"),
    )


def reached_steps(
    scopes: Iterable[Stepped], used: Mapping[int, Decimal]
) -> dict[int, Verdict]:
    """Return the step of each budget that has reached one, by the budget's id.

    used: by budget; what is not in it has used nothing.
    """
    found = (step_of(scope, used.get(scope.id, Decimal(0))) for scope in scopes)
    return {verdict.budget: verdict for verdict in found if verdict is not None}


@dataclass(frozen=True, slots=True)
class Standings:
    """Which budgets stand at a step now."""

    budgets: Budgets = field(default_factory=Budgets)
    reached: Mapping[int, Verdict] = field(default_factory=dict)

    def verdict(self, who: Who, model: str) -> Verdict | None:
        """Return the strictest step among all budgets that an attempt falls under."""
        if not self.reached:
            return None
        mine, _hard = self.budgets.matching(who, model)
        verdicts = [self.reached[each] for each in mine if each in self.reached]
        return max(verdicts, key=lambda each: each.severity, default=None)
