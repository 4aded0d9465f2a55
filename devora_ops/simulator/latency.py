"""How long models take: time to the first token and pace, by class of model."""

import math
from dataclasses import dataclass
from functools import lru_cache
from random import Random

_SPREAD_FIRST = 0.38
_SPREAD_PACE = 0.22


@dataclass(frozen=True, slots=True)
class Speed:
    """Medians of a class. reasons: it thinks before the first visible token."""

    names: tuple[str, ...]
    first_token_s: float
    tokens_per_s: float
    reasons: bool = False


@dataclass(frozen=True, slots=True)
class Pace:
    """One call's own times."""

    first_token_s: float
    per_token_s: float

    def total_s(self, tokens: int) -> float:
        return self.first_token_s + self.per_token_s * tokens

    def scaled(self, by: float) -> "Pace":
        return Pace(self.first_token_s * by, self.per_token_s * by)


AT_ONCE = Pace(0, 0)

# The first class one of whose names occurs in the model's name.
SPEEDS = (
    Speed(("embed",), 0.06, 1e9),
    Speed(("nano", "-lite", "flash", "luna", "ministral"), 0.28, 190),
    Speed(
        ("gpt-5.4-mini", "gpt-5-mini", "o4-mini", "o3-mini"), 0.42, 140, reasons=True
    ),
    Speed(("mini", "haiku"), 0.36, 150),
    Speed(("opus", "fable", "mythos", "-pro", "astra"), 1.25, 52),
    Speed(("sonnet", "grok", "glm", "kimi", "qwen", "mistral"), 0.75, 78),
    Speed(("o1", "o3", "gpt-5", "gpt-6", "-r1", "thinking"), 0.62, 88, reasons=True),
)
_USUAL = Speed((), 0.55, 85)


@lru_cache(maxsize=1024)
def speed_of(model: str) -> Speed:
    for speed in SPEEDS:
        if any(name in model for name in speed.names):
            return speed
    return _USUAL


def draw(speed: Speed, dice: Random, *, reasoning_tokens: int = 0) -> Pace:
    """Return one call's times, lognormal around the class's medians."""
    per_token_s = _lognormal(1 / speed.tokens_per_s, _SPREAD_PACE, dice)
    first_token_s = _lognormal(speed.first_token_s, _SPREAD_FIRST, dice)
    return Pace(first_token_s + reasoning_tokens * per_token_s, per_token_s)


def _lognormal(median: float, spread: float, dice: Random) -> float:
    return median * math.exp(dice.gauss(0, spread))
