"""Which models may serve a request, in the order they are tried."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from devora_ops.common.errors import NotFound
from llm.snapshot import Catalogue, RouteSnapshot, Target

DEFAULT_MAX_TOKENS = 4096
_MOST_CANDIDATES = 20


@dataclass(frozen=True, slots=True)
class Plan:
    """The targets to try, first to last, and the output bound they share."""

    targets: Sequence[Target]
    default_max_tokens: int = DEFAULT_MAX_TOKENS


def make_plan(catalogue: Catalogue, requested: str) -> Plan:
    """Resolve the name an agent asked for.

    An exact route name; else `provider/rest`, split at the first slash; else a bare
    name that exactly one provider has. Raises NotFound, which lists the candidates.
    """
    route = catalogue.routes.get(requested)
    if route is not None and route.targets:
        return Plan(_ordered(route), route.default_max_tokens)
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


def _ordered(route: RouteSnapshot) -> Sequence[Target]:
    if route.strategy != "weighted":
        return route.targets
    # Efraimidis and Spirakis' weighted shuffle: each target comes first with its share.
    return sorted(
        (target for target in route.targets if target.weight > 0),
        key=lambda target: -(random.random() ** (1 / target.weight)),
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
