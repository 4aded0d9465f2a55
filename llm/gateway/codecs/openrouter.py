"""Every format over OpenRouter, whose answers say what they cost."""

from llm.gateway.codecs.chat import ChatCodec
from llm.gateway.codecs.embeddings import EmbeddingsCodec
from llm.gateway.codecs.responses import ResponsesCodec
from llm.gateway.codecs.translated import MessagesOverChat
from llm.providers import openrouter


class ChatOverOpenRouter(ChatCodec):
    """A chat client, a model of OpenRouter's."""

    read_bill = staticmethod(openrouter.read_bill)


class MessagesOverOpenRouter(MessagesOverChat):
    """A messages client, a model of OpenRouter's."""

    read_bill = staticmethod(openrouter.read_bill)


class ResponsesOverOpenRouter(ResponsesCodec):
    """Responses by way of OpenRouter."""

    read_bill = staticmethod(openrouter.read_bill)


class EmbeddingsOverOpenRouter(EmbeddingsCodec):
    """Embeddings by way of OpenRouter."""

    read_bill = staticmethod(openrouter.read_bill)
