"""A client of Anthropic's messages served by a model that speaks chat completions."""

from llm.translation.messages_over_chat.answering import answer
from llm.translation.messages_over_chat.asking import request
from llm.translation.messages_over_chat.streaming import Stream

__all__ = ["Stream", "answer", "request"]
