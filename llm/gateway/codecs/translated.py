"""One format served by an upstream that speaks the other."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from devora_ops.common.errors import DevoraError
from llm.gateway.codecs.chat import (
    ChatCodec,
    ChatStream,
    read_completion,
    read_object,
    text_of,
)
from llm.gateway.codecs.chat import tier_of as completion_tier
from llm.gateway.codecs.messages import (
    MessagesCodec,
    error_event,
    read_message,
    said,
    tier_of,
)
from llm.gateway.codecs.protocol import ErrorInStreamError, Ours, Reading
from llm.snapshot import Target
from llm.translation import chat_over_messages, messages_over_chat
from llm.translation.chat_over_messages.streaming import StreamFailed


class ChatOverMessages(MessagesCodec):
    """A chat client, an Anthropic model."""

    def prepare(
        self, body: Mapping[str, Any], target: Target, *, default_max_tokens: int
    ) -> dict[str, Any]:
        """Translate the request; raises InvalidRequest for what cannot be asked."""
        return chat_over_messages.request(
            body, model=target.name, max_tokens=default_max_tokens
        )

    def read(self, raw: bytes) -> Reading:
        """Translate a message into a completion."""
        message = read_message(raw)
        answer = chat_over_messages.answer(message, created=int(time.time()))
        usage = message.get("usage")
        body = orjson.dumps(answer)
        return Reading(body, answer, said(message), usage, tier_of(usage))

    def stream(self, body: Mapping[str, Any]) -> "ChatOverMessagesStream":  # type: ignore[override]
        """Begin a stream of chunks."""
        options = body.get("stream_options") or {}
        return ChatOverMessagesStream(wants_usage=bool(options.get("include_usage")))


class ChatOverMessagesStream(ChatStream):
    """Events come in, chunks go out; the usage that is billed is the provider's own."""

    def __init__(self, *, wants_usage: bool) -> None:
        super().__init__(wants_usage=wants_usage)
        self._events = chat_over_messages.Stream(created=int(time.time()))

    @property
    def usage(self) -> Any:
        """The usage as Anthropic tells it."""
        return self._events.raw_usage or None

    @usage.setter
    def usage(self, value: Any) -> None:
        """The chunks' usage is for the client alone."""

    def take(self, data: bytes, event: bytes) -> Sequence[bytes]:
        """Translate one event into the chunks that it comes to."""
        try:
            chunks = self._events.feed(read_object(data, "sent an event that"))
        except StreamFailed as error:
            raise ErrorInStreamError from error
        self.ended = self._events.ended
        written = (
            self.pass_on(chunk, b"data: " + orjson.dumps(chunk)) for chunk in chunks
        )
        return [each for each in written if each is not None]


class MessagesOverChat(ChatCodec):
    """A messages client, a model that speaks chat completions."""

    def prepare(
        self, body: Mapping[str, Any], target: Target, *, default_max_tokens: int
    ) -> dict[str, Any]:
        """Translate the request; raises InvalidRequest for what cannot be asked."""
        newer = target.upstream.kind == "openai"
        limit = "max_completion_tokens" if newer else "max_tokens"
        chat = messages_over_chat.request(body, limit=limit)
        return super().prepare(chat, target, default_max_tokens=default_max_tokens)

    def read(self, raw: bytes) -> Reading:
        """Translate a completion into a message."""
        completion = read_completion(raw)
        message = messages_over_chat.answer(completion)
        return Reading(
            orjson.dumps(message),
            message,
            text_of(completion),
            completion.get("usage"),
            completion_tier(completion),
            raw,
        )

    def stream(self, body: Mapping[str, Any]) -> "MessagesOverChatStream":
        """Begin a stream of events."""
        return MessagesOverChatStream()


class MessagesOverChatStream(ChatStream):
    """Chunks come in, events go out."""

    def __init__(self) -> None:
        super().__init__(wants_usage=False)
        self._chunks = messages_over_chat.Stream()

    def pass_on(self, chunk: dict[str, Any], event: bytes) -> bytes | None:
        """Translate one chunk into the events that it comes to."""
        self.meter(chunk, event)
        return _joined(self._chunks.feed(chunk))

    def finish(self, ours: Ours) -> Sequence[bytes]:
        """Say what the call cost, and that it is whole."""
        *rest, stop = self._chunks.end()
        events = [_joined(rest), ours.comment(), _joined([stop])]
        return [event for event in events if event is not None]

    def fail(self, call_id: str, error: DevoraError) -> Sequence[bytes]:
        """Say that the stream is not whole; no message_stop follows."""
        return (error_event(error),)


def _joined(events: Sequence[tuple[str, dict[str, Any]]]) -> bytes | None:
    if not events:
        return None
    return b"\n\n".join(
        b"event: %s\ndata: %s" % (name.encode(), orjson.dumps(data))
        for name, data in events
    )
