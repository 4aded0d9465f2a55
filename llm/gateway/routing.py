"""Which of a route's targets serve a request, in which order, and why. Pure.

A target falls out when its conditions do not match, when it lacks an ability that the
request needs, or when the request cannot fit into its context window. The strategy puts
the others in order: the first one serves, the rest stand in for it.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

from costs.facts import Who
from llm.gateway.bounds import parts, turns
from llm.snapshot import RouteSnapshot, Target

# How often the fastest strategy tries somebody else, to learn whether he is faster now.
EXPLORE = 0.1
_BYTES_A_TOKEN = 4
_EXPECTED_OUTPUT = 500


@dataclass(frozen=True, slots=True)
class Asked:
    """What a choice may look at. size: the body's bytes without pictures'.

    wire: the name of the body's format, where its fields do not tell.
    """

    who: Who
    body: Mapping[str, Any]
    size: int
    wire: str = ""

    @property
    def input_tokens(self) -> int:
        """An estimate of what goes in, from the body's size."""
        return self.size // _BYTES_A_TOKEN

    @property
    def output_tokens(self) -> int:
        """What comes out at most, as far as the request says; else what is usual."""
        for name in ("max_completion_tokens", "max_tokens", "max_output_tokens"):
            if type(limit := self.body.get(name)) is int and limit > 0:
                return limit
        return _EXPECTED_OUTPUT


class Market(Protocol):
    """What is known of targets beside their own row."""

    def usd(self, target: Target, input_tokens: int, output_tokens: int) -> Any:
        """Return what a request would cost, or None for a model without a price."""

    def latency_ms(self, target: Target) -> float | None:
        """Return how fast a model has been of late, or None when nobody asked it."""


@dataclass(frozen=True, slots=True)
class Choice:
    """An order of targets. probability: that this first one came first."""

    targets: Sequence[Target]
    probability: float
    left_out: Mapping[str, str]


def choose(
    route: RouteSnapshot,
    asked: Asked,
    market: Market,
    *,
    chance: Callable[[], float] = random.random,
) -> Choice:
    """Choose among a route's targets; nobody may be left."""
    left_out = {
        target.model: reason
        for target in route.targets
        if (reason := unfit(target, asked))
    }
    fit = [each for each in route.targets if each.model not in left_out]
    if len(fit) < 2:
        return Choice(fit, 1.0, left_out)
    targets, probability = _STRATEGIES[route.strategy](fit, asked, market, chance)
    return Choice(targets, probability, left_out)


def odds(
    strategy: str, fit: Sequence[Target], asked: Asked, market: Market
) -> list[tuple[Target, Fraction]]:
    """Return who of fit targets may come first, each with its probability.

    Not for the strategy `fastest`: who was the fastest nobody knows afterwards.
    """
    if strategy == "weighted":
        total = sum(target.weight for target in fit)
        if total:
            return [(each, Fraction(each.weight, total)) for each in fit if each.weight]
        return [(fit[0], Fraction(1))]
    ordered, _ = _STRATEGIES[strategy](fit, asked, market, random.random)
    return [(ordered[0], Fraction(1))]


def unfit(target: Target, asked: Asked) -> str:
    """Return why a target cannot serve a request, or nothing."""
    unmet = _unmet(target.conditions, asked)
    if unmet:
        return unmet
    for ability in sorted(needs(asked.body, asked.wire)):
        if _lacks(target.abilities, ability):
            return f"it lacks the ability `{ability}`"
    window = target.context_window
    # A token stands for a handful of bytes; what may fit is for the provider to say.
    if window is not None and asked.size // (2 * _BYTES_A_TOKEN) > window:
        return f"the request cannot fit into its {window} tokens of context"
    return ""


def _lacks(abilities: Mapping[str, Any], ability: str) -> bool:
    if ability == "responses" and abilities.get("chat") is not False:
        return False  # who chats responds; some do that alone
    return abilities.get(ability) is False


def needs(body: Mapping[str, Any], wire: str = "") -> set[str]:
    """Return the abilities that a request cannot do without."""
    if wire != "responses":
        wire = "chat" if "messages" in body else "embeddings"
    found = {wire}
    if body.get("tools"):
        found.add("tools")
    for wanted in (body.get("response_format"), _output_format(body)):
        if isinstance(wanted, dict) and wanted.get("type") == "json_schema":
            found.add("json_schema")
    for part in parts(turns(body)):
        found |= _PARTS.get(str(part.get("type")), set())
    return found


def _output_format(body: Mapping[str, Any]) -> Any:
    """Return Messages' or Responses' word for a response format."""
    config = body.get("output_config") or body.get("text")
    return config.get("format") if isinstance(config, dict) else None


_PARTS: Mapping[str, set[str]] = {
    "image_url": {"vision"},
    "image": {"vision"},
    "input_image": {"vision"},
    "computer_screenshot": {"vision"},
    "file": {"pdf"},
    "input_file": {"pdf"},
    "document": {"pdf"},
    "input_audio": {"audio"},
}


def _unmet(conditions: Mapping[str, Any], asked: Asked) -> str:
    """Return the first condition that a request does not meet."""
    who, tokens = asked.who, asked.input_tokens
    if (agents := conditions.get("agents")) and who.agent not in agents:
        return f"it serves the agents {', '.join(agents)} alone"
    if (teams := conditions.get("teams")) and who.team not in teams:
        return f"it serves the teams {', '.join(teams)} alone"
    if tokens < (least := conditions.get("min_input_tokens", 0)):
        return f"it serves requests from {least} tokens on"
    if tokens > (most := conditions.get("max_input_tokens", tokens)):
        return f"it serves requests up to {most} tokens"
    told = asked.body.get("metadata")
    told = told if isinstance(told, dict) else {}
    for name, value in (conditions.get("metadata") or {}).items():
        if told.get(name) != value:
            return f"it serves requests whose metadata has {name}={value}"
    return ""


Ordered = tuple[Sequence[Target], float]


def _in_order(
    fit: Sequence[Target], asked: Asked, market: Market, chance: Callable[[], float]
) -> Ordered:
    return fit, 1.0


def _by_weight(
    fit: Sequence[Target], asked: Asked, market: Market, chance: Callable[[], float]
) -> Ordered:
    """Efraimidis and Spirakis' weighted shuffle: each comes first with its share."""
    weighed = [target for target in fit if target.weight > 0] or list(fit)
    total = sum(target.weight for target in weighed)
    if total == 0:
        return weighed, 1.0
    shuffled = sorted(weighed, key=lambda target: -(chance() ** (1 / target.weight)))
    return shuffled, shuffled[0].weight / total


def _cheapest(
    fit: Sequence[Target], asked: Asked, market: Market, chance: Callable[[], float]
) -> Ordered:
    def cost(target: Target) -> tuple[bool, Any]:
        usd = market.usd(target, asked.input_tokens, asked.output_tokens)
        return usd is None, usd or 0  # who has no price comes last

    return sorted(fit, key=cost), 1.0


def _fastest(
    fit: Sequence[Target], asked: Asked, market: Market, chance: Callable[[], float]
) -> Ordered:
    """Put the fastest first, and now and then somebody else, to keep knowing."""

    def latency(target: Target) -> tuple[bool, float]:
        known = market.latency_ms(target)
        return known is None, known or 0.0

    ranked = sorted(fit, key=latency)
    others = EXPLORE / len(ranked)
    place = int(chance() * len(ranked)) if chance() < EXPLORE else 0
    first = ranked[place]
    rest = [target for target in ranked if target is not first]
    return [first, *rest], others + (1 - EXPLORE) * (place == 0)


_STRATEGIES: Mapping[
    str,
    Callable[[Sequence[Target], Asked, Market, Callable[[], float]], Ordered],
] = {
    "priority": _in_order,
    "weighted": _by_weight,
    "cheapest": _cheapest,
    "fastest": _fastest,
}
