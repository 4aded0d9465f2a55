"""Makes up an answer that fits a demand: text, chunks, token counts.

Pure: everything comes from the demand, the script and the dice.
"""

import math
from collections.abc import Sequence
from hashlib import blake2b
from itertools import pairwise
from random import Random

import orjson

from devora_ops.simulator.behaviours import Script
from devora_ops.simulator.latency import speed_of
from devora_ops.simulator.schemas import sample
from devora_ops.simulator.sentences import ACCENTED, PLAIN, compose
from devora_ops.simulator.wire import Choice, Chunk, Demand, Finish, JSONObject, Tokens

INSTANT = (Choice((Chunk("Hello", 1), Chunk(".", 1)), "stop"),)
INSTANT_TOKENS = Tokens(prompt=8, completion=2)

_MEDIAN_TOKENS = 160
_SPREAD = 0.65
_MOST_TOKENS = 2000
_MEDIAN_REASONING = 220
_CACHE_BLOCK = 128
_SMALLEST_CACHED = 1024


def invent(
    demand: Demand, script: Script, dice: Random
) -> tuple[tuple[Choice, ...], Tokens]:
    """Return the choices and what they count."""
    if script.instant and script.prompt_tokens is None:
        return INSTANT, INSTANT_TOKENS
    reasoning = _reasoning_tokens(demand, script, dice)
    choices = tuple(
        _choice(demand, script, dice, reasoning=reasoning)
        for _ in range(demand.choices)
    )
    visible = sum(chunk.tokens for choice in choices for chunk in choice.chunks)
    return choices, _tokens(demand, script, dice, visible=visible, reasoning=reasoning)


def roll(seed: int, body: JSONObject) -> Random:
    """Return the dice of a body: the same seed and the same JSON, the same answer."""
    canonical = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    digest = blake2b(canonical, digest_size=8, key=str(seed).encode()).digest()
    return Random(int.from_bytes(digest))


def _reasoning_tokens(demand: Demand, script: Script, dice: Random) -> int:
    if script.reasoning_tokens is not None:
        return script.reasoning_tokens
    if script.simulated or not speed_of(demand.model).reasons:
        return 0
    drawn = _lognormal(_MEDIAN_REASONING, dice)
    return min(drawn, (demand.max_tokens or _MOST_TOKENS) // 2)


def _choice(demand: Demand, script: Script, dice: Random, *, reasoning: int) -> Choice:
    pieces, finish = _wanted(demand, script, dice, reasoning=reasoning)
    limit = _limit(demand, script, reasoning)
    if limit is not None and len(pieces) > limit:
        pieces, finish = pieces[:limit], "length"
    tool = demand.tool.name if demand.tool else ""
    if tool and script.broken_arguments:
        pieces = pieces[: max(1, len(pieces) - 2)]
    return Choice(_chunks(pieces, script, dice), finish, tool)


def _limit(demand: Demand, script: Script, reasoning: int) -> int | None:
    if script.completion_tokens is not None or demand.max_tokens is None:
        return None
    return max(0, demand.max_tokens - reasoning)


def _wanted(
    demand: Demand, script: Script, dice: Random, *, reasoning: int
) -> tuple[list[str], Finish]:
    """Return everything the model would say if nothing limited it."""
    if demand.tool:
        return _json_pieces(sample(demand.tool.schema, dice)), "tool"
    if demand.schema is not None:
        schema = demand.schema or _ANY_OBJECT
        return _json_pieces(sample(schema, dice)), "stop"
    among = ACCENTED if script.split_utf8 else PLAIN
    if script.completion_tokens is not None:
        visible = max(0, script.completion_tokens - reasoning) // demand.choices
        count = min(visible, _MOST_TOKENS)
        return compose(count, dice, among=among)[:count], "stop"
    count = max(min(_lognormal(_MEDIAN_TOKENS, dice), _MOST_TOKENS), script.chunks)
    return compose(count, dice, among=among), "stop"


_ANY_OBJECT = {
    "properties": {
        "summary": {"type": "string"},
        "severity": {"enum": ["low", "medium", "high"]},
        "confidence": {"type": "number"},
        "labels": {"type": "array", "items": {"type": "string"}},
    }
}


def _json_pieces(value: object) -> list[str]:
    text = orjson.dumps(value).decode()
    return [text[at : at + 4] for at in range(0, len(text), 4)]


def _chunks(pieces: Sequence[str], script: Script, dice: Random) -> tuple[Chunk, ...]:
    edges = _even_edges if script.chunks else _uneven_edges
    return tuple(
        Chunk("".join(pieces[start:end]), end - start)
        for start, end in pairwise(edges(len(pieces), script.chunks, dice))
    )


def _even_edges(pieces: int, chunks: int, _dice: Random) -> list[int]:
    """Edges of exactly `chunks` chunks; some are empty when there are fewer pieces."""
    return [pieces * index // chunks for index in range(chunks + 1)]


def _uneven_edges(pieces: int, _chunks: int, dice: Random) -> list[int]:
    edges = [0]
    while edges[-1] < pieces:
        edges.append(min(pieces, edges[-1] + 1 + int(dice.random() * 4)))
    return edges


def _tokens(
    demand: Demand, script: Script, dice: Random, *, visible: int, reasoning: int
) -> Tokens:
    prompt, completion = script.prompt_tokens, script.completion_tokens
    drawn_cached, drawn_written = _cached(demand, script, dice)
    cached, written = script.cached_tokens, script.written_tokens
    return Tokens(
        prompt=demand.prompt_tokens if prompt is None else prompt,
        completion=(
            visible + reasoning * demand.choices if completion is None else completion
        ),
        cached=drawn_cached if cached is None else cached,
        written=drawn_written if written is None else written,
        reasoning=reasoning * demand.choices,
        cost_usd=script.cost_usd,
        byok_usd=script.byok_usd,
    )


def _cached(demand: Demand, script: Script, dice: Random) -> tuple[int, int]:
    """Return the tokens read from and written to the provider's prompt cache."""
    long_enough = demand.prompt_tokens >= _SMALLEST_CACHED
    if script.simulated or demand.caching == "no" or not long_enough:
        return 0, 0
    share = dice.uniform(0.5, 0.95)
    prefix = int(demand.prompt_tokens * share) // _CACHE_BLOCK * _CACHE_BLOCK
    hit = dice.random() < 0.6
    if demand.caching == "automatic":
        return (prefix, 0) if hit else (0, 0)
    return (prefix, 0) if hit else (0, prefix)


def _lognormal(median: float, dice: Random) -> int:
    return max(1, round(median * math.exp(dice.gauss(0, _SPREAD))))
