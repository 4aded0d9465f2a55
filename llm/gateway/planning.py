"""Which models may serve a request, in the order they are tried."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from costs.steps import Verdict
from devora_ops.common.errors import InvalidRequest, NotFound
from llm.gateway.routing import Asked, Market, choose
from llm.policy import USUAL, RoutePolicy
from llm.snapshot import Catalogue, RouteSnapshot, Target

DEFAULT_MAX_TOKENS = 4096
_MOST_CANDIDATES = 20


@dataclass(frozen=True, slots=True)
class Plan:
    """The targets to try, first to last, and the output bound they share.

    route: the public name that was asked for, if it was one. probability: that its
    strategy put this target first, None where it did not. left_out: models by the reason
    why they cannot serve. instead: the name that a budget's step put in the place of the
    requested one. cache_only: the step that lets no provider be asked.
    """

    targets: Sequence[Target]
    default_max_tokens: int = DEFAULT_MAX_TOKENS
    route: str = ""
    strategy: str = ""
    probability: float | None = 1.0
    left_out: Mapping[str, str] = field(default_factory=dict)
    policy: RoutePolicy = USUAL
    instead: str = ""
    cache_only: Verdict | None = None


def make_plan(
    catalogue: Catalogue, requested: str, asked: Asked, market: Market
) -> Plan:
    """Resolve the name an agent asked for.

    An exact route name; else `provider/rest`, split at the first slash; else a bare
    name that exactly one provider has. Raises NotFound, which lists the candidates, and
    InvalidRequest when none of a route's targets can serve the request.
    """
    route = catalogue.routes.get(requested)
    if route is not None and route.targets:
        return _plan_route(route, asked, market)
    if requested in catalogue.disabled:
        raise NotFound(
            f"The model `{requested[:200]}` is switched off here.",
            code="model_not_found",
            param="model",
        )
    provider, slash, rest = requested.partition("/")
    if slash and rest and provider in catalogue.upstreams:
        known = catalogue.models.get(requested)
        return Plan([known or Target(catalogue.upstreams[provider], rest)])
    bare = catalogue.by_name.get(requested, ())
    if len(bare) == 1:
        return Plan(bare)
    raise _unknown(catalogue, requested, [target.model for target in bare])


def _plan_route(route: RouteSnapshot, asked: Asked, market: Market) -> Plan:
    choice = choose(route, asked, market)
    if not choice.targets:
        reasons = "; ".join(f"{model}: {why}" for model, why in choice.left_out.items())
        raise InvalidRequest(
            f"No target of the route `{route.slug}` can serve this request. {reasons}.",
            code="no_target_fits",
            param="model",
        )
    return Plan(
        choice.targets,
        route.default_max_tokens,
        route.slug,
        route.strategy,
        choice.probability,
        choice.left_out,
        route.policy,
    )


def _unknown(catalogue: Catalogue, requested: str, bare: Sequence[str]) -> NotFound:
    candidates = list(bare) or [*catalogue.routes, *catalogue.models]
    listed = ", ".join(candidates[:_MOST_CANDIDATES]) or "none yet: add a provider key"
    what = "is offered by several providers" if bare else "is not known here"
    return NotFound(
        f"The model `{requested[:200]}` {what}. Candidates: {listed}.",
        code="model_not_found",
        param="model",
    )
