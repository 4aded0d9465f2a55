"""A chat client served by a model that speaks Anthropic's messages."""

from llm.translation.chat_over_messages.answering import answer
from llm.translation.chat_over_messages.asking import request
from llm.translation.chat_over_messages.streaming import Stream, StreamFailed

__all__ = ["Stream", "StreamFailed", "answer", "request"]
