"""What the steps of budgets do to a call: a cheaper plan, or the cache alone."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from costs.facts import Who
from costs.steps import Standings, Verdict
from devora_ops.common.errors import BudgetExceeded, InvalidRequest, NotFound
from llm.gateway.call import usd
from llm.gateway.planning import Plan, make_plan
from llm.gateway.routing import Asked, Market
from llm.snapshot import Catalogue, Target

log = logging.getLogger("[LLM]")


Now = TypeVar("Now", covariant=True)


class Current(Protocol[Now]):
    """What knows how something stands now."""

    @property
    def current(self) -> Now:
        """Return it."""


class LeavesAlone(Protocol):
    """What knows which targets are asked last."""

    def is_left_alone(self, target: Target) -> bool:
        """Say whether a target is."""


class Stepped(Protocol):
    """A call as far as budgets' steps go. budget_step: what a step has done to it."""

    budget_step: str

    @property
    def who(self) -> Who:
        """Whose it is."""

    @property
    def is_embedding(self) -> bool:
        """Whether its answer would fit no other model's index."""


@dataclass(frozen=True, slots=True)
class Steps:
    """Changes the plans of calls that fall under a budget at a step."""

    watch: Current[Standings]
    catalogue: Current[Catalogue]
    market: Market
    health: LeavesAlone
    _told: set[tuple[int, str]] = field(default_factory=set)

    def applied(self, call: Stepped, plan: Plan, asked: Asked) -> Plan:
        """Return the plan that budgets leave a call, and take note of their step.

        What is asked first decides. A stand-in that a budget holds back stands in no
        more. A prompt that names its model is routed down like any other call; embeddings
        never are: another model's vectors fit no index.
        """
        standings = self.watch.current
        if not standings.reached:
            return plan
        verdict = standings.verdict(call.who, plan.targets[0].model)
        if verdict is None:
            return _without_held_back(plan, call, standings)
        if verdict.action == "cache_only":
            return _cache_only(plan, call, verdict)
        if call.is_embedding:
            return plan
        cheaper = self._cheaper(verdict, plan, asked)
        if cheaper is None:
            return plan
        verdicts = [standings.verdict(call.who, each.model) for each in cheaper.targets]
        free = [
            target
            for target, its in zip(cheaper.targets, verdicts, strict=True)
            if its is None or its.action == "route_down"
        ]
        if not free:
            assert verdicts[0] is not None
            return _cache_only(plan, call, verdicts[0])
        call.budget_step = _header(verdict)
        return _of(cheaper, free)

    def _cheaper(self, verdict: Verdict, plan: Plan, asked: Asked) -> Plan | None:
        """Return the plan on a step's target; None where the call stays as it was.

        That is where it costs no more as it is, and where the target cannot serve.
        """
        try:
            there = make_plan(self.catalogue.current, verdict.to, asked, self.market)
        except NotFound:
            self._tell(verdict, "it is no route or model that can be called")
            return None
        except InvalidRequest:  # none of its targets can do what this request needs
            return None
        usd_there = self._usd(there.targets[0], asked)
        if usd_there is None:
            self._tell(verdict, f"`{there.targets[0].model}` has no price")
            return None
        usd_here = self._usd(plan.targets[0], asked)
        if usd_here is not None and usd_here <= usd_there:
            return None
        if all(map(self.health.is_left_alone, there.targets)):
            return None
        return replace(there, instead=verdict.to)

    def _usd(self, target: Target, asked: Asked) -> Any:
        return self.market.usd(target, asked.input_tokens, asked.output_tokens)

    def _tell(self, verdict: Verdict, why: str) -> None:
        """Say once that a step is not applied, and not for every call."""
        said = (verdict.budget, why)
        if said not in self._told:
            self._told.add(said)
            log.warning(
                "budget %s routes nothing down to %s: %s", verdict.name, verdict.to, why
            )


def nothing_cached(verdict: Verdict, *, forbidden: bool) -> BudgetExceeded:
    """Return what a call is told that the cache has no answer to.

    forbidden: the request, or its prompt, does not take a cached answer.
    """
    why = (
        "this request takes no cached answer"
        if forbidden
        else "there is none to this request"
    )
    left = usd(verdict.left_usd)
    return BudgetExceeded(
        f"The budget “{verdict.name}” has ${left} left; from {verdict.at}% of it on, "
        f"only cached answers are given, and {why}.",
        code="budget_cache_only",
        extra={
            "budget": verdict.budget,
            "name": verdict.name,
            "left_usd": left,
            "step": verdict.action,
            "step_at": verdict.at,
        },
    )


def _cache_only(plan: Plan, call: Stepped, verdict: Verdict) -> Plan:
    call.budget_step = _header(verdict)
    return replace(plan, cache_only=verdict)


def _without_held_back(plan: Plan, call: Stepped, standings: Standings) -> Plan:
    first, *others = plan.targets
    free = [each for each in others if standings.verdict(call.who, each.model) is None]
    return _of(plan, [first, *free])


def _of(plan: Plan, targets: Sequence[Target]) -> Plan:
    """Return the plan with some of its targets; nobody chose who is first by chance."""
    if len(targets) == len(plan.targets):
        return plan
    chosen = targets[0] is plan.targets[0]
    return replace(
        plan, targets=targets, probability=plan.probability if chosen else None
    )


def _header(verdict: Verdict) -> str:
    return f"{verdict.action}; budget={verdict.budget}"
