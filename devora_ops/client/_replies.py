"""From the bytes of an answer to the values that the client gives.

Strict about what an answer is for (its text, its messages), lenient about what
only accompanies it: a call that was paid for is not lost over a missing header.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Self, TypeVar

import httpx

from devora_ops.client._errors import InvalidResponse
from devora_ops.client._values import (
    Answer,
    Assignment,
    Embeddings,
    Model,
    Passage,
    RenderedPrompt,
    Usage,
    content_text,
)

T = TypeVar("T")
Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A successful answer, read to its end."""

    headers: httpx.Headers
    content: bytes
    latency_ms: float

    @classmethod
    def of(cls, response: httpx.Response, *, started: float) -> Self:
        """Take a response that was read; started is time.perf_counter()'s."""
        return cls(
            headers=response.headers,
            content=response.content,
            latency_ms=elapsed_ms(started),
        )

    def invalid(self, why: str) -> InvalidResponse:
        """Give the error for an answer that cannot be read."""
        return InvalidResponse(
            f"The answer cannot be read: {why}. Is this the gateway's address?",
            request_id=self.headers.get("x-request-id"),
            body=self.content[:2000].decode("utf-8", "replace"),
        )

    def json(self) -> Body:
        """Give the body, which is always an object."""
        try:
            body = json.loads(self.content)
        except (ValueError, RecursionError) as error:
            raise self.invalid("it is not JSON") from error
        if not isinstance(body, Mapping):
            raise self.invalid("it is no JSON object")
        return body

    def read(self, build: Callable[[Body], T]) -> T:
        """Build a value from the body; InvalidResponse when the body lacks it."""
        body = self.json()
        try:
            return build(body)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise self.invalid("parts of it are missing") from error


def answer(reply: Reply) -> Answer:
    """Read the answer to a chat call."""
    return reply.read(lambda body: answer_from(body, reply))


def answer_from(body: Body, reply: Reply) -> Answer:
    """Build an Answer from a completion; a stream brings one that it put together."""
    choice = body["choices"][0]
    return Answer(
        text=content_text(choice["message"]),
        finish_reason=choice.get("finish_reason"),
        **_served(body, reply),
    )


def embeddings(reply: Reply) -> Embeddings:
    """Read vectors, put in the order of their texts."""

    def build(body: Body) -> Embeddings:
        rows = sorted(body["data"], key=lambda row: row["index"])
        vectors = tuple(tuple(row["embedding"]) for row in rows)
        return Embeddings(vectors=vectors, **_served(body, reply))

    return reply.read(build)


def models(reply: Reply) -> list[Model]:
    """Read what may be asked for."""
    return reply.read(
        lambda body: [
            Model(id=str(row["id"]), owned_by=str(row.get("owned_by") or ""))
            for row in body["data"]
        ]
    )


def rendered(slug: str, variables: Body) -> Callable[[Reply], RenderedPrompt]:
    """Read a rendered prompt, and remember what it was rendered from."""

    def build(body: Body) -> RenderedPrompt:
        return RenderedPrompt(
            slug=slug,
            version=int(body["version"]),
            messages=tuple(dict(message) for message in body["messages"]),
            variables=variables,
        )

    return lambda reply: reply.read(build)


def passages(reply: Reply) -> list[Passage]:
    """Read what a search found, best first."""
    return reply.read(lambda body: [_passage(row) for row in body["results"]])


def _passage(row: Body) -> Passage:
    return Passage(
        text=str(row["text"]),
        score=float(row.get("score") or 0.0),
        external_id=str(row.get("external_id") or ""),
        document=row.get("document"),
        chunk=row.get("chunk"),
        components=row.get("components") or {},
    )


def assignment(experiment: str, unit: str) -> Callable[[Reply], Assignment]:
    """Read the variant that a unit got."""

    def build(body: Body) -> Assignment:
        return Assignment(
            experiment=experiment,
            unit=unit,
            variant=str(body["variant"]),
            version=body.get("version"),
        )

    return lambda reply: reply.read(build)


def nothing(_: Reply) -> None:
    """Read an answer of which only the status counts."""


def _served(body: Body, reply: Reply) -> dict[str, Any]:
    headers, devora = reply.headers, _object(body.get("devora"))
    # A stream's headers leave before its cost is known: the body's word is newer.
    cost = devora.get("cost_usd", headers.get("x-devora-cost-usd"))
    attempts = headers.get("x-devora-attempts", "")
    return {
        "model": headers.get("x-devora-model") or str(body.get("model") or ""),
        "cost_usd": _money(cost),
        "call_id": devora.get("call_id") or headers.get("x-devora-call-id"),
        "request_id": headers.get("x-request-id"),
        "cache": headers.get("x-devora-cache", "off"),
        "attempts": int(attempts) if attempts.isdecimal() else None,
        "latency_ms": reply.latency_ms,
        "usage": _usage(_object(body.get("usage"))),
        "raw": body,
    }


def _money(value: Any) -> Decimal | None:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None


def _usage(counts: Body) -> Usage:
    details = _object(counts.get("prompt_tokens_details"))
    return Usage(
        input_tokens=_count(counts.get("prompt_tokens")),
        output_tokens=_count(counts.get("completion_tokens")),
        cached_tokens=_count(details.get("cached_tokens")),
    )


def _count(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _object(value: Any) -> Body:
    return value if isinstance(value, Mapping) else {}


def elapsed_ms(started: float) -> float:
    """Give the milliseconds since a reading of time.perf_counter()."""
    return (time.perf_counter() - started) * 1000
