"""How a request in one wire format is served by an upstream that speaks one.

A codec prepares the upstream's body, reads its answer and writes the client's. Where
both sides speak the same format, bytes pass through as they came.
"""

from llm.gateway.codecs.protocol import BadAnswerError, Codec, Reading, StreamCodec

__all__ = ["BadAnswerError", "Codec", "Reading", "StreamCodec"]
