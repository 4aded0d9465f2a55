"""Embeddings, in the one format that everybody speaks."""

from collections.abc import Mapping, Sequence
from typing import Any

from devora_ops.common.errors import InvalidRequest
from llm.gateway.codecs.chat import read_object
from llm.gateway.codecs.openai_family import OpenAIFamily
from llm.gateway.codecs.protocol import BadAnswerError, Reading, StreamCodec
from llm.providers import openai
from llm.snapshot import Target, Upstream


class EmbeddingsCodec(OpenAIFamily):
    """POST /v1/embeddings, in and out."""

    read_usage = staticmethod(openai.read_usage)

    def url(self, upstream: Upstream) -> str:
        """Return where embeddings are posted to."""
        return openai.embeddings_url(upstream)

    def prepare(
        self, body: Mapping[str, Any], target: Target, *, default_max_tokens: int
    ) -> dict[str, Any]:
        """Name the target's model; nothing comes out that would need a bound."""
        return {**body, "model": target.name}

    def output_bound(self, payload: Mapping[str, Any]) -> int:
        """Return zero: vectors are not billed by their size."""
        return 0

    def tier_asked(self, payload: Mapping[str, Any]) -> str:
        """Return the one tier that there is."""
        return ""

    def prompt_text(self, payload: Mapping[str, Any]) -> str:
        """Return what is to be embedded."""
        given = payload["input"]
        texts: Sequence[Any] = [given] if isinstance(given, str) else given
        return "\n".join(text for text in texts if isinstance(text, str))

    def read(self, raw: bytes) -> Reading:
        """Read the answer; it leaves as it came."""
        answer = read_object(raw)
        if not isinstance(answer.get("data"), list):
            raise BadAnswerError("has no data")
        return Reading(raw, answer, "", answer.get("usage"), source=raw)

    def stream(self, body: Mapping[str, Any]) -> StreamCodec:
        """Embeddings do not stream; validation refuses a body that asks for it."""
        raise NotImplementedError


class NoEmbeddings(EmbeddingsCodec):
    """Of an upstream that has no such endpoint."""

    def prepare(
        self, body: Mapping[str, Any], target: Target, *, default_max_tokens: int
    ) -> dict[str, Any]:
        """Refuse: another target may do."""
        raise InvalidRequest(
            f"`{target.model}` makes no embeddings: its provider has no such endpoint.",
            code="unsupported_endpoint",
            param="model",
        )
