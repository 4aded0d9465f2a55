"""What the client takes and gives: small frozen values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, TypedDict

import httpx

Message = Mapping[str, Any]
#: A conversation, or one string that stands for a single user message.
Messages = str | Sequence[Message]
SearchMode = Literal["vector", "lexical", "hybrid"]


class Unset(Enum):
    """Says "not given" where None already means something."""

    UNSET = "unset"


UNSET = Unset.UNSET
#: Seconds of silence (or a finer httpx.Timeout); None waits for ever.
TimeoutValue = float | httpx.Timeout | None | Unset


class CallParameters(TypedDict, total=False):
    """What a call takes besides what it says. None is the same as absent.

    prompt: ``slug`` (its production label), ``slug@label`` or ``slug@number``.
    model: a route (``smart``) or a model (``openai/gpt-…``); instead of a prompt.
    unit: who an experiment assigns a variant to; the gateway falls back to user.
    user: your end user, as a dimension of the costs; never a login.
    timeout: for this call alone; see Client.
    extra_body: fields that are not named here, sent as they are.

    The others are the wire format's own. Keywords that are not listed are sent as
    well, so a parameter that came out yesterday needs no new client.
    """

    prompt: str | None
    model: str | None
    unit: str | None
    user: str | None
    timeout: TimeoutValue
    extra_body: Mapping[str, Any] | None
    temperature: float | None
    top_p: float | None
    max_tokens: int | None
    max_completion_tokens: int | None
    n: int | None
    seed: int | None
    stop: str | Sequence[str] | None
    tools: Sequence[Mapping[str, Any]] | None
    tool_choice: str | Mapping[str, Any] | None
    parallel_tool_calls: bool | None
    response_format: Mapping[str, Any] | None
    reasoning_effort: str | None
    metadata: Mapping[str, str] | None
    stream_options: Mapping[str, Any] | None


class ChatOptions(CallParameters, total=False):
    """CallParameters, and what a chat call of a client takes besides.

    variables: what the prompt's template is filled with.
    use_cache: False asks for a fresh answer; otherwise the version's policy rules.
    """

    variables: Mapping[str, Any] | None
    use_cache: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one call, as the provider counted them."""

    input_tokens: int = 0
    output_tokens: int = 0
    #: The part of input_tokens that the provider had in its own prompt cache.
    cached_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What is known of every call that the gateway served.

    cost_usd: None when the model has no price, or the cost was not told.
    cache: ``hit``, ``miss`` or ``off``.
    attempts: upstream tries that it took; 0 from the cache.
    latency_ms: from sending to the whole answer, retries and their waits included.
    """

    model: str
    cost_usd: Decimal | None
    call_id: str | None
    request_id: str | None
    cache: str
    attempts: int | None
    latency_ms: float
    usage: Usage
    #: The body as it came; a stream's is put together again in the same shape.
    raw: Mapping[str, Any] = field(repr=False)

    @property
    def cached(self) -> bool:
        """Whether the gateway's cache answered."""
        return self.cache == "hit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Served):
    """The answer to a chat call. ``text`` is empty when it only calls tools."""

    text: str
    finish_reason: str | None = None

    @property
    def message(self) -> Mapping[str, Any]:
        """The assistant's message, ready to be appended to the conversation."""
        message: Mapping[str, Any] = self.raw["choices"][0]["message"]
        return message


@dataclass(frozen=True, slots=True, kw_only=True)
class Embeddings(Served):
    """One vector per text, in the order of the texts."""

    vectors: tuple[tuple[float, ...], ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Model:
    """A name that may be asked for: a model, a route or a prompt."""

    id: str
    owned_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedPrompt:
    """A prompt version with its variables filled in by the gateway."""

    slug: str
    version: int
    messages: tuple[Message, ...]
    variables: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The contents of the messages, one paragraph each."""
        return "\n\n".join(content_text(message) for message in self.messages)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A piece of text that a retriever found, and where it comes from.

    score: higher is nearer; its scale is the retriever's.
    components: what the score is made of (rank or similarity by mode).
    """

    text: str
    score: float = 0.0
    external_id: str = ""
    document: str | int | None = None
    chunk: str | int | None = None
    components: Mapping[str, Any] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """The best name there is for where the text comes from."""
        return self.external_id or str(self.document or "unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """The variant that a unit gets; the same one for as long as it runs."""

    experiment: str
    unit: str
    variant: str
    version: int | None = None


def content_text(message: Message) -> str:
    """Give a message's text, also when its content is a list of parts."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, Sequence) else ()
    texts = (part.get("text") for part in parts if isinstance(part, Mapping))
    return "\n".join(text for text in texts if isinstance(text, str))
