"""Where a request would go, and why, without sending it."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic, TypeVar

import orjson
from asgiref.sync import async_to_sync
from django.conf import settings

from costs.facts import Who
from costs.pricing import Usage
from costs.snapshot import PriceBook, load_budgets, load_prices
from costs.standing import load_used
from costs.steps import Standings, reached_steps
from devora_ops.common.crypto import FieldCipher
from devora_ops.common.postgres import connect
from llm.gateway.bounds import text_size
from llm.gateway.breaker import COOL_DOWN_S
from llm.gateway.call import usd
from llm.gateway.health import PAUSE_S, SharedState, load_breakers
from llm.gateway.market import load_latencies
from llm.gateway.planning import Plan, make_plan
from llm.gateway.routing import EXPLORE, Asked
from llm.gateway.steps import Steps
from llm.snapshot import Catalogue, CatalogueLoader, Target

_WHY = {
    "": "The name is a model's own.",
    "priority": "The route asks its targets in order.",
    "weighted": "The route chooses by weight; another time it may choose differently.",
    "cheapest": "The route asks the cheapest first, at the prices in force.",
    "fastest": "The route asks the fastest of the last quarter of an hour first, and "
    f"in {EXPLORE:.0%} of calls somebody else.",
}


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Now(Generic[T]):
    """A picture that does not change any more."""

    current: T


@dataclass(slots=True)
class _Asking:
    """A call that is not made; see `llm.gateway.steps.Stepped`."""

    who: Who
    is_embedding: bool = False
    budget_step: str = ""


@dataclass(frozen=True, slots=True)
class _Scene:
    """The gateway's pictures at this moment; a market for routing."""

    catalogue: Catalogue
    standings: Standings
    prices: PriceBook
    latencies: Mapping[str, float]
    breakers: Mapping[str, SharedState]

    def usd(
        self, target: Target, input_tokens: int, output_tokens: int
    ) -> Decimal | None:
        """Return what so many tokens cost at the price in force."""
        price = self.prices.price(target.model, dt.datetime.now(dt.UTC))
        usage = Usage(input=input_tokens, output=output_tokens)
        return None if price is None else price.cost(usage)

    def latency_ms(self, target: Target) -> float | None:
        """Return a model's median latency of late."""
        return self.latencies.get(target.model)

    def left_alone(self, target: Target) -> str:
        """Return why a target would be asked last, or nothing; see gateway.health."""
        if self._is_open(target.model, COOL_DOWN_S):
            return "its breaker is open"
        if self._is_open(target.upstream.slug, PAUSE_S):
            return "its provider refused our credential"
        return ""

    def is_left_alone(self, target: Target) -> bool:
        """Say whether a target would be asked last."""
        return bool(self.left_alone(target))

    def _is_open(self, name: str, lasts_s: float) -> bool:
        shared = self.breakers.get(name)
        if shared is None or shared.forced:
            return shared is not None and shared.forced == "open"
        age = dt.datetime.now(dt.UTC) - shared.changed_at
        return shared.state == "open" and age.total_seconds() < lasts_s

    def state(self, target: Target) -> str:
        """Return what is known of a target's health."""
        shared = self.breakers.get(target.model)
        if shared is None:
            return "closed"
        return f"forced {shared.forced}" if shared.forced else shared.state


def dry_run(body: Mapping[str, Any], *, agent: str, team: str) -> dict[str, Any]:
    """Return who would be asked, in which order, and who not; raises NotFound and
    InvalidRequest as the gateway would.

    body: a chat or Messages body without a prompt's name. agent, team: for whom.
    """
    scene: _Scene = async_to_sync(_scene)()
    asked = Asked(Who(agent=agent, team=team), body, text_size(orjson.dumps(body)))
    first = make_plan(scene.catalogue, str(body["model"]), asked, scene)
    steps = Steps(_Now(scene.standings), _Now(scene.catalogue), scene, scene)
    plan = steps.applied(_Asking(asked.who), first, asked)
    return {
        "budget_step": _step(scene, asked.who, first, plan),
        "route": plan.route,
        "strategy": plan.strategy,
        "why": _WHY[plan.strategy],
        "probability": plan.probability,
        "targets": [
            _shown(scene, target, asked)
            for target in sorted(plan.targets, key=scene.is_left_alone)
        ],
        "left_out": [
            {"model": model, "reason": reason}
            for model, reason in plan.left_out.items()
        ],
        "default_max_tokens": plan.default_max_tokens,
    }


def _step(scene: _Scene, who: Who, first: Plan, plan: Plan) -> dict[str, Any] | None:
    """Return what a budget does to the request now; None where none does anything.

    first: the plan without budgets; plan: what they leave of it.
    """
    verdict = plan.cache_only
    if plan.instead:
        verdict = scene.standings.verdict(who, first.targets[0].model)
    if verdict is None:
        return None
    return {
        "budget": verdict.budget,
        "name": verdict.name,
        "step": verdict.action,
        "at": verdict.at,
        "routed_to": plan.instead,
    }


def _shown(scene: _Scene, target: Target, asked: Asked) -> dict[str, Any]:
    expected = scene.usd(target, asked.input_tokens, asked.output_tokens)
    return {
        "model": target.model,
        "expected_usd": None if expected is None else usd(expected),
        "latency_ms": scene.latency_ms(target),
        "breaker": scene.state(target),
        "left_alone": scene.left_alone(target),
    }


async def _scene() -> _Scene:
    connection = await connect(settings.DATABASE_URL, application="devora-dry-run")
    async with connection:
        loader = CatalogueLoader(FieldCipher(settings.DEVORA_FIELD_KEYS))
        budgets = await load_budgets(connection)
        used = await load_used(connection, [each.id for each in budgets.stepped])
        return _Scene(
            await loader(connection),
            Standings(budgets, reached_steps(budgets.stepped, used)),
            await load_prices(connection),
            await load_latencies(connection),
            await load_breakers(connection),
        )
