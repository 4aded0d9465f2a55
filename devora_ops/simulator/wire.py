"""What every API of the simulator has in common: a question, an answer, a stream."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import orjson

from devora_ops.simulator.faults import RefusalError, invalid

JSONObject = dict[str, Any]
Finish = Literal["stop", "length", "tool"]


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that must be called, with the JSON schema of its arguments."""

    name: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Demand:
    """What an answer has to be, whatever the API.

    schema: JSON is asked for, of this JSON schema ({}: any object).
    caching: whether the provider's prompt cache may have a part in it.
    """

    model: str
    prompt_tokens: int
    max_tokens: int | None = None
    choices: int = 1
    tool: Tool | None = None
    schema: Mapping[str, Any] | None = None
    caching: Literal["no", "automatic", "explicit"] = "no"


@dataclass(frozen=True, slots=True)
class Ask:
    """A request body that can be served, and what it demands."""

    body: JSONObject
    demand: Demand
    stream: bool

    @property
    def model(self) -> str:
        return self.demand.model


@dataclass(frozen=True, slots=True)
class Tokens:
    """prompt includes cached and written; completion includes reasoning.

    cost_usd, byok_usd: amounts as the model's name writes them, else empty.
    """

    prompt: int
    completion: int
    cached: int = 0
    written: int = 0
    reasoning: int = 0
    cost_usd: str = ""
    byok_usd: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a choice's text (or of a call's arguments) and its tokens."""

    text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer of n. tool: the name of the tool whose arguments the chunks are."""

    chunks: tuple[Chunk, ...]
    finish: Finish
    tool: str = ""

    @property
    def text(self) -> str:
        return "".join(chunk.text for chunk in self.chunks)


@dataclass(frozen=True, slots=True)
class Answer:
    """Everything an API needs to write its reply. created: Unix seconds."""

    id: str
    created: int
    choices: tuple[Choice, ...]
    tokens: Tokens

    @property
    def visible_tokens(self) -> int:
        """The completion tokens that are sent: all but the reasoning."""
        return sum(chunk.tokens for choice in self.choices for chunk in choice.chunks)


@dataclass(frozen=True, slots=True)
class Event:
    """A server-sent event; a comment when `comment` is set."""

    data: bytes
    name: bytes = b""
    comment: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a stream: wait, hold, send events, or cut the connection.

    tokens: completion tokens that the events carry. last: this says that the stream
    is over.
    """

    events: tuple[Event, ...] = ()
    tokens: int = 0
    content: bool = False
    last: bool = False
    pause_s: float = 0
    hold: bool = False
    cut: bool = False


class Wire(Protocol):
    """One API's format.

    api: its name in the journal. prompt_field: where a request has what it asks.
    """

    api: ClassVar[str]
    prompt_field: ClassVar[str]

    def read(self, body: bytes) -> Ask:
        """Raises RefusalError."""

    def usage(self, tokens: Tokens) -> JSONObject: ...

    def document(
        self, ask: Ask, answer: Answer, usage: JSONObject | None
    ) -> JSONObject: ...

    def stream(
        self, ask: Ask, answer: Answer, usage: JSONObject | None
    ) -> Iterator[Step]: ...

    def error(self, refusal: RefusalError) -> JSONObject: ...

    def error_event(self, refusal: RefusalError, position: int) -> Event:
        """Return the event of an error. position: how many events came before it."""


def read_object(body: bytes) -> JSONObject:
    """Raises RefusalError unless the body is a JSON object with a model."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise invalid(f"The body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise invalid("The body must be a JSON object.")
    if not isinstance(value.get("model"), str) or not value["model"]:
        raise invalid("you must provide a model parameter", "model")
    return value


def require_messages(body: JSONObject) -> None:
    """Raises RefusalError unless there are messages, each an object with a role."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise invalid("'messages' must be a non-empty array.", "messages")
    for message in messages:
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise invalid("Every message needs a role.", "messages")


def require_positive(body: JSONObject, name: str) -> None:
    """Raises RefusalError unless the field is a positive integer or absent."""
    value = body.get(name)
    if value is not None and (not isinstance(value, int) or value < 1):
        raise invalid(f"'{name}' must be a positive integer.", name)


def wants_stream(body: JSONObject) -> bool:
    """Raises RefusalError unless `stream` is a boolean or absent."""
    stream = body.get("stream") or False
    if not isinstance(stream, bool):
        raise invalid("'stream' must be a boolean.", "stream")
    return stream


def count_tokens(value: Any) -> int:
    """Return the estimated tokens of a content value: about four characters each."""
    return -(-_characters(value) // CHARACTERS_PER_TOKEN)


CHARACTERS_PER_TOKEN = 4
_IMAGE_CHARACTERS = 765 * CHARACTERS_PER_TOKEN
_TEXTS = ("text", "content", "input", "arguments", "output", "refusal", "name")


def _characters(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, list):
        return sum(map(_characters, value))
    if not isinstance(value, dict):
        return 0
    if value.get("type") in {"image_url", "image", "input_image"}:
        return _IMAGE_CHARACTERS
    return sum(_characters(value[key]) for key in _TEXTS if key in value)
