"""Responses served by an upstream that speaks them: nothing is translated."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from devora_ops.common.errors import DevoraError, InvalidRequest
from llm.gateway.bounds import REMEMBERED
from llm.gateway.codecs.chat import read_object, tier_of
from llm.gateway.codecs.openai_family import OpenAIFamily
from llm.gateway.codecs.protocol import (
    BadAnswerError,
    ErrorInStreamError,
    Ours,
    Reading,
    StreamCodec,
)
from llm.gateway.errors import openai_fields
from llm.gateway.sse import data_of
from llm.providers import openai, openai_responses
from llm.snapshot import Target, Upstream

_FIRST = ("response.created", "response.queued", "response.in_progress")
_LAST = ("response.completed", "response.incomplete")
_SAID = ("text", "refusal", "arguments", "input")


class ResponsesCodec(OpenAIFamily):
    """POST /v1/responses, in and out."""

    read_usage = staticmethod(openai_responses.read_usage)

    def url(self, upstream: Upstream) -> str:
        """Return where responses are posted to."""
        return openai.responses_url(upstream)

    def prepare(
        self, body: Mapping[str, Any], target: Target, *, default_max_tokens: int
    ) -> dict[str, Any]:
        """Name the target's model and bound the output, reasoning included."""
        openai.refuse_other_models(body, target.upstream)
        for name in sorted(REMEMBERED):
            if body.get(name) and target.context_window is None:
                raise InvalidRequest(
                    f"What `{name}` adds can only be bounded by the model's context "
                    "window, which is not declared here.",
                    code="window_unknown",
                    param=name,
                )
        limit = body.get("max_output_tokens") or default_max_tokens
        return {**body, "model": target.name, "max_output_tokens": limit}

    def output_bound(self, payload: Mapping[str, Any]) -> int:
        """Return the limit, which reasoning falls under."""
        return int(payload["max_output_tokens"])

    def tier_asked(self, payload: Mapping[str, Any]) -> str:
        """Return the tier's name; unset, it is what the provider's project says."""
        return str(payload.get("service_tier") or "auto")

    def prompt_text(self, payload: Mapping[str, Any]) -> str:
        """Return what the instructions and the input say."""
        parts = (payload.get("instructions"), payload.get("input"))
        return "\n\n".join(text for part in parts for text in _texts(part))

    def read(self, raw: bytes) -> Reading:
        """Read a response; it leaves as it came."""
        answer = read_object(raw)
        usage = answer.get("usage")
        if answer.get("status") == "failed":
            raise ErrorInStreamError(usage, raw)
        if not isinstance(answer.get("output"), list):
            raise BadAnswerError("has no output")
        return Reading(
            raw,
            answer,
            _text_of(answer),
            usage,
            tier_of(answer),
            raw,
            searches_of(answer),
        )

    def stream(self, body: Mapping[str, Any]) -> StreamCodec:
        """Begin a stream of events."""
        return ResponsesStream()


class ResponsesStream:
    """Events pass as they came; the last one waits for the cost that goes before it.

    So do the first ones, for what comes next: a response that fails at once can still be
    served by somebody else.
    """

    def __init__(self) -> None:
        self.usage: Any = None
        self.usage_source = b""
        self.service_tier = ""
        self.searches = 0
        self.ended = False
        self.client_usage: Any = None
        self._first: list[bytes] = []
        self._last = b""
        self._number = 0
        self._pieces: list[str] = []

    @property
    def text(self) -> str:
        """What the model has said so far."""
        return "".join(self._pieces)

    def feed(self, event: bytes) -> Sequence[bytes]:
        """Meter one event and pass it on."""
        data = data_of(event)
        if not data or data == b"[DONE]":  # some servers send chat's end here too
            return () if data else (event,)
        value = read_object(data, "sent an event that")
        kind = str(value.get("type"))
        self._number = value.get("sequence_number") or self._number + 1
        self._meter(kind, value, event)
        if kind in ("error", "response.failed"):
            raise ErrorInStreamError(self.usage, self.usage_source)
        if kind in _FIRST:
            self._first.append(event)
            return ()
        passed, self._first = self._first, []
        if kind in _LAST:
            self.ended, self._last = True, event
            return passed
        return (*passed, event)

    def _meter(self, kind: str, value: Mapping[str, Any], event: bytes) -> None:
        delta = value.get("delta")
        if kind.endswith(".delta") and isinstance(delta, str):
            self._pieces.append(delta)
            return
        response = value.get("response")
        if not isinstance(response, dict):
            return
        if response.get("usage"):
            self.usage, self.usage_source = response["usage"], event
        self.service_tier = tier_of(response) or self.service_tier
        self.searches = searches_of(response)

    def finish(self, ours: Ours) -> Sequence[bytes]:
        """Say what the call cost, and that it is whole."""
        return (ours.comment(), self._last)

    def fail(self, call_id: str, error: DevoraError) -> Sequence[bytes]:
        """Say that the stream is not whole; no response.completed follows."""
        fields = openai_fields(error)
        # Clients look in one place or in the other.
        told = {name: fields[name] for name in ("code", "message", "param")}
        number = self._number + 1
        body = {"type": "error", "sequence_number": number, **told, "error": fields}
        return (b"event: error\ndata: " + orjson.dumps(body),)


class NoResponses(ResponsesCodec):
    """Of an upstream that has no such endpoint."""

    def prepare(
        self, body: Mapping[str, Any], target: Target, *, default_max_tokens: int
    ) -> dict[str, Any]:
        """Refuse: another target may do."""
        raise InvalidRequest(
            f"`{target.model}` is not served over /v1/responses: its provider speaks "
            "/v1/chat/completions and /v1/messages.",
            code="unsupported_endpoint",
            param="model",
        )


def searches_of(response: Mapping[str, Any]) -> int:
    """Return how many web searches a response was billed for."""
    output = response.get("output")
    items = output if isinstance(output, list) else ()
    return sum(
        isinstance(item, dict) and item.get("type") == "web_search_call"
        for item in items
    )


def _text_of(response: Mapping[str, Any]) -> str:
    """Return what the items of a response say, arguments and thoughts included."""
    return "".join(_texts(response["output"]))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for item in value if isinstance(value, list) else ():
        if isinstance(item, dict):
            yield from (item[name] for name in _SAID if isinstance(item.get(name), str))
            for name in ("content", "summary", "output"):
                yield from _texts(item.get(name))
