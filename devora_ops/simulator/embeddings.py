"""OpenAI's embeddings: feature hashing, so that texts that share words are near."""

import base64
import math
import re
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

from devora_ops.simulator.faults import RefusalError, invalid
from devora_ops.simulator.openai_chat import bill, openai_error
from devora_ops.simulator.wire import (
    Answer,
    Ask,
    Demand,
    Event,
    JSONObject,
    Step,
    Tokens,
    count_tokens,
    read_object,
)

_DIMENSIONS = {"text-embedding-3-large": 3072}
_USUAL_DIMENSIONS = 1536
_MOST_INPUTS = 2048
_WORD = re.compile(r"\w+")


class OpenAIEmbeddings:
    """POST /v1/embeddings."""

    api: ClassVar[str] = "openai.embeddings"
    prompt_field: ClassVar[str] = "input"

    def read(self, body: bytes) -> Ask:
        value = read_object(body)
        inputs = _inputs(value)
        if not 1 <= len(inputs) <= _MOST_INPUTS:
            raise invalid("'input' must have 1 to 2048 items.", "input")
        _dimensions(value)
        total = sum(map(_tokens_of, inputs))
        demand = Demand(value["model"], prompt_tokens=total, max_tokens=1)
        return Ask(value, demand, stream=False)

    def usage(self, tokens: Tokens) -> JSONObject:
        return {"prompt_tokens": tokens.prompt, "total_tokens": tokens.prompt}

    def document(
        self, ask: Ask, answer: Answer, usage: JSONObject | None
    ) -> JSONObject:
        encode = _base64 if ask.body.get("encoding_format") == "base64" else _list
        dimensions = _dimensions(ask.body)
        inputs = _inputs(ask.body) if answer.choices else []
        data = [
            {
                "object": "embedding",
                "index": index,
                "embedding": encode(vector(text, dimensions)),
            }
            for index, text in enumerate(inputs)
        ]
        document = {"object": "list", "data": data, "model": ask.model}
        return document if usage is None else {**document, "usage": usage}

    def stream(
        self, ask: Ask, answer: Answer, usage: JSONObject | None
    ) -> Iterator[Step]:
        raise NotImplementedError("embeddings are never streamed")

    def error(self, refusal: RefusalError) -> JSONObject:
        return openai_error(refusal)

    def error_event(self, refusal: RefusalError, position: int) -> Event:
        raise NotImplementedError("embeddings are never streamed")


class OpenRouterEmbeddings(OpenAIEmbeddings):
    """POST /api/v1/embeddings: the same, and what they cost."""

    api = "openrouter.embeddings"

    def usage(self, tokens: Tokens) -> JSONObject:
        return {**super().usage(tokens), **bill(replace(tokens, completion=0))}


def vector(text: Any, dimensions: int) -> "array[float]":
    """Return float32[dimensions] of unit length; the same text, the same vector."""
    values = array("f", bytes(4 * dimensions))
    words = _WORD.findall(str(text).lower()) or ["\0"]
    for word in words:
        hashed = zlib.crc32(word.encode())
        values[hashed % dimensions] += 1.0 if hashed >> 31 else -1.0
    length = math.sqrt(sum(value * value for value in values)) or 1.0
    return array("f", (value / length for value in values))


def _inputs(body: JSONObject) -> list[Any]:
    """Raises RefusalError unless `input` is text, tokens, or a list of either."""
    value = body.get("input")
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        raise invalid("'input' must be a string or an array.", "input")
    if value and all(type(item) is int for item in value):
        return [value]
    if all(isinstance(item, str) for item in value):
        return value
    if all(isinstance(item, list) for item in value):
        return value
    raise invalid("'input' mixes strings and tokens.", "input")


def _dimensions(body: JSONObject) -> int:
    usual = _DIMENSIONS.get(body["model"], _USUAL_DIMENSIONS)
    value = body.get("dimensions")
    if value is None:
        return usual
    if not isinstance(value, int) or not 1 <= value <= usual:
        raise invalid(f"'dimensions' must be 1 to {usual}.", "dimensions")
    return value


def _tokens_of(item: Any) -> int:
    return count_tokens(item) if isinstance(item, str) else len(item)


def _base64(values: "array[float]") -> str:
    return base64.b64encode(values.tobytes()).decode()


def _list(values: "array[float]") -> list[float]:
    return values.tolist()
