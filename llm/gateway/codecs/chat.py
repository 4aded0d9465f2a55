"""Chat completions served by an upstream that speaks them: nothing is translated."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from devora_ops.common.errors import DevoraError
from llm.gateway.codecs.openai_family import OpenAIFamily
from llm.gateway.codecs.protocol import (
    BadAnswerError,
    ErrorInStreamError,
    Ours,
    Reading,
)
from llm.gateway.errors import openai_fields
from llm.gateway.sse import data_of
from llm.providers import openai
from llm.snapshot import Target, Upstream


class ChatCodec(OpenAIFamily):
    """POST /v1/chat/completions, in and out."""

    read_usage = staticmethod(openai.read_usage)

    def url(self, upstream: Upstream) -> str:
        """Return where chat completions are posted to."""
        return openai.chat_url(upstream)

    def prepare(
        self, body: Mapping[str, Any], target: Target, *, default_max_tokens: int
    ) -> dict[str, Any]:
        """Name the target's model, bound the output, ask for the usage."""
        return openai.prepare(
            body, target.upstream, model=target.name, max_tokens=default_max_tokens
        )

    def output_bound(self, payload: Mapping[str, Any]) -> int:
        """Return the limit of one choice times the choices."""
        return (openai.output_limit(payload) or 0) * int(payload.get("n") or 1)

    def tier_asked(self, payload: Mapping[str, Any]) -> str:
        """Return the tier's name; unset, it is what the provider's project says."""
        return str(payload.get("service_tier") or "auto")

    def prompt_text(self, payload: Mapping[str, Any]) -> str:
        """Return what the messages say."""
        return "\n\n".join(_texts(payload["messages"]))

    def read(self, raw: bytes) -> Reading:
        """Read a completion; it leaves as it came."""
        answer = read_completion(raw)
        usage = answer.get("usage")
        return Reading(raw, answer, text_of(answer), usage, tier_of(answer), raw)

    def stream(self, body: Mapping[str, Any]) -> "ChatStream":
        """Begin a stream of chunks."""
        options = body.get("stream_options") or {}
        return ChatStream(wants_usage=bool(options.get("include_usage")))


class ChatStream:
    """Chunks pass as they came; the usage waits for the cost that goes with it."""

    searches = 0

    def __init__(self, *, wants_usage: bool) -> None:
        self.usage: Any = None
        self.usage_source = b""
        self.service_tier = ""
        self.ended = False
        self._has_choices = False
        self._wants_usage = wants_usage
        self._usage_chunk: dict[str, Any] | None = None
        self._pieces: list[str] = []

    @property
    def client_usage(self) -> Any:
        """The usage of the chunk that waits for the end."""
        return (self._usage_chunk or {}).get("usage")

    @property
    def text(self) -> str:
        """What the model has said so far."""
        return "".join(self._pieces)

    def feed(self, event: bytes) -> Sequence[bytes]:
        """Meter one event and pass it on."""
        data = data_of(event)
        if not data:
            return (event,)  # a comment
        if data == b"[DONE]":
            if not self._has_choices:
                raise BadAnswerError("has no choices")
            self.ended = True
            return ()
        return self.take(data, event)

    def take(self, data: bytes, event: bytes) -> Sequence[bytes]:
        """Read the data of one event; return what becomes of it."""
        chunk = read_object(data, "sent an event that")
        if chunk.get("error") and not chunk.get("choices"):
            raise ErrorInStreamError
        passed = self.pass_on(chunk, event)
        return () if passed is None else (passed,)

    def pass_on(self, chunk: dict[str, Any], event: bytes) -> bytes | None:
        """Meter a chunk; return its event unless that has to wait for the end."""
        self.meter(chunk, event)
        choices = chunk.get("choices") or ()
        if chunk.get("usage") and not any(map(_says_something, choices)):
            self._usage_chunk = chunk  # it leaves at the end, with the cost in it
            return None
        return event

    def meter(self, chunk: Mapping[str, Any], event: bytes) -> None:
        """Take note of what a chunk says and what it says it cost."""
        if chunk.get("usage"):
            # Cumulative: the last one counts.
            self.usage, self.usage_source = chunk["usage"], event
        if chunk.get("service_tier"):
            self.service_tier = tier_of(chunk)
        for choice in chunk.get("choices") or ():
            self._has_choices = True
            delta = choice.get("delta") if isinstance(choice, dict) else None
            if isinstance(delta, dict):
                self._pieces.extend(_said(delta))

    def finish(self, ours: Ours) -> Sequence[bytes]:
        """Say what the call cost, and that it is whole."""
        if self._wants_usage and self._usage_chunk is not None:
            chunk = {**self._usage_chunk, "devora": ours.facts()}
            last = b"data: " + orjson.dumps(chunk)
        else:
            last = ours.comment()
        return (last, b"data: [DONE]")

    def fail(self, call_id: str, error: DevoraError) -> Sequence[bytes]:
        """Say that the stream is not whole; no [DONE] follows."""
        choice = {"index": 0, "delta": {}, "finish_reason": "error"}
        chunk = {
            "id": call_id,
            "object": "chat.completion.chunk",
            "choices": [choice],
            "error": openai_fields(error),
        }
        return (b"data: " + orjson.dumps(chunk),)


def _says_something(choice: Any) -> bool:
    """Say whether a client would miss a choice of the chunk that tells the usage.

    OpenRouter sends an empty one along.
    """
    if not isinstance(choice, dict) or choice.get("finish_reason"):
        return True
    delta = choice.get("delta") or {}
    return any(value for name, value in delta.items() if name != "role")


def read_completion(raw: bytes) -> dict[str, Any]:
    """Parse a completion; raises BadAnswerError."""
    answer = read_object(raw)
    if not answer.get("choices"):
        raise BadAnswerError("has no choices")
    return answer


def read_object(raw: bytes, what: str = "") -> dict[str, Any]:
    """Parse a JSON object; raises BadAnswerError, whose sentence begins with `what`."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadAnswerError(f"{what} is not JSON".strip()) from error
    if not isinstance(value, dict):
        raise BadAnswerError(f"{what} is no object".strip())
    return value


def text_of(answer: Mapping[str, Any]) -> str:
    """Return what the choices of a completion say, tool calls included."""
    messages = (
        choice.get("message")
        for choice in answer["choices"]
        if isinstance(choice, dict)
    )
    return "".join(
        text
        for message in messages
        if isinstance(message, dict)
        for text in _said(message)
    )


def tier_of(answer: Mapping[str, Any]) -> str:
    """Return the service tier that an answer names."""
    tier = answer.get("service_tier")
    return tier if isinstance(tier, str) else ""


def _said(message: Mapping[str, Any]) -> list[str]:
    """Return the texts of a message or delta that a provider bills as output."""
    texts = [message.get(n) for n in ("content", "reasoning_content", "refusal")]
    for tool in message.get("tool_calls") or ():
        function = tool.get("function") if isinstance(tool, dict) else None
        if isinstance(function, dict):
            texts += [function.get("name"), function.get("arguments")]
    return [text for text in texts if isinstance(text, str)]


def _texts(messages: Sequence[Any]) -> Iterator[str]:
    for message in messages:
        content = message.get("content")
        if isinstance(content, str):
            yield content
        elif isinstance(content, list):
            yield from (str(part.get("text", "")) for part in content)
