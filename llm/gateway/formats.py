"""The wire formats that agents speak: how each is checked, served and refused."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from llm.gateway import validation
from llm.gateway.adoption import adopt_rendered, adopt_responses, lend_responses
from llm.gateway.codecs import Codec
from llm.gateway.codecs.chat import ChatCodec
from llm.gateway.codecs.embeddings import EmbeddingsCodec, NoEmbeddings
from llm.gateway.codecs.messages import MessagesCodec
from llm.gateway.codecs.openrouter import (
    ChatOverOpenRouter,
    EmbeddingsOverOpenRouter,
    MessagesOverOpenRouter,
    ResponsesOverOpenRouter,
)
from llm.gateway.codecs.protocol import Ours
from llm.gateway.codecs.responses import NoResponses, ResponsesCodec
from llm.gateway.codecs.responses_whole import ResponsesCollector, responses_events
from llm.gateway.codecs.translated import ChatOverMessages, MessagesOverChat
from llm.gateway.codecs.whole import (
    ChatCollector,
    Collector,
    MessagesCollector,
    chat_events,
    messages_events,
)
from llm.gateway.errors import ErrorBody, anthropic_error, openai_error
from llm.snapshot import Upstream

Replay = Callable[[Mapping[str, Any], Mapping[str, Any], Ours], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Format:
    """One endpoint's format. by_kind: codecs for kinds of upstream; else `default`.

    collector: puts a whole answer together from a stream's events; replay: makes events
    of a whole answer for a client's body. None where nothing streams.
    lend: turns a body that names a prompt into one with messages, as prompts have; adopt:
    turns the chat body that a prompt was rendered to into this format's.
    request_id_header: where this format's clients look for a request's id, too.
    """

    name: str
    check: Callable[[Mapping[str, Any]], None]
    end_user: Callable[[Mapping[str, Any]], str]
    error: ErrorBody
    default: Codec
    by_kind: Mapping[str, Codec] = field(default_factory=dict)
    collector: Callable[[], Collector] | None = None
    replay: Replay | None = None
    lend: Callable[[dict[str, Any]], dict[str, Any]] = lambda body: body
    adopt: Callable[[dict[str, Any]], dict[str, Any]] = lambda body: body
    request_id_header: bytes = b""

    def codec(self, upstream: Upstream) -> Codec:
        """Return what serves this format over an upstream."""
        return self.by_kind.get(upstream.kind, self.default)


def _user(body: Mapping[str, Any]) -> str:
    return str(body.get("user") or "")


def _user_of_messages(body: Mapping[str, Any]) -> str:
    metadata = body.get("metadata")
    return str(metadata.get("user_id") or "") if isinstance(metadata, dict) else ""


def _user_of_responses(body: Mapping[str, Any]) -> str:
    return str(body.get("user") or body.get("safety_identifier") or "")


def _replay_chat(
    answer: Mapping[str, Any], body: Mapping[str, Any], ours: Ours
) -> Iterator[bytes]:
    options = body.get("stream_options") or {}
    wanted = bool(options.get("include_usage"))
    return chat_events(answer, wants_usage=wanted, ours=ours)


def _replay_messages(
    answer: Mapping[str, Any], body: Mapping[str, Any], ours: Ours
) -> Iterator[bytes]:
    return messages_events(answer, ours=ours)


def _replay_responses(
    answer: Mapping[str, Any], body: Mapping[str, Any], ours: Ours
) -> Iterator[bytes]:
    return responses_events(answer, ours=ours)


CHAT = Format(
    name="chat",
    check=validation.check_chat,
    end_user=_user,
    error=openai_error,
    default=ChatCodec(),
    by_kind={"anthropic": ChatOverMessages(), "openrouter": ChatOverOpenRouter()},
    collector=ChatCollector,
    replay=_replay_chat,
)
MESSAGES = Format(
    name="messages",
    check=validation.check_messages,
    end_user=_user_of_messages,
    error=anthropic_error,
    default=MessagesOverChat(),
    by_kind={"anthropic": MessagesCodec(), "openrouter": MessagesOverOpenRouter()},
    collector=MessagesCollector,
    replay=_replay_messages,
    adopt=adopt_rendered,
    request_id_header=b"request-id",
)
RESPONSES = Format(
    name="responses",
    check=validation.check_responses,
    end_user=_user_of_responses,
    error=openai_error,
    default=ResponsesCodec(),
    by_kind={"anthropic": NoResponses(), "openrouter": ResponsesOverOpenRouter()},
    collector=ResponsesCollector,
    replay=_replay_responses,
    lend=lend_responses,
    adopt=adopt_responses,
)
EMBEDDINGS = Format(
    name="embeddings",
    check=validation.check_embeddings,
    end_user=_user,
    error=openai_error,
    default=EmbeddingsCodec(),
    by_kind={"anthropic": NoEmbeddings(), "openrouter": EmbeddingsOverOpenRouter()},
)
