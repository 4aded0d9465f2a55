"""The wire formats that agents speak: how each is checked, served and refused."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from llm.gateway import validation
from llm.gateway.codecs import Codec
from llm.gateway.codecs.chat import ChatCodec
from llm.gateway.codecs.embeddings import EmbeddingsCodec
from llm.gateway.errors import ErrorBody, openai_error
from llm.snapshot import Upstream


@dataclass(frozen=True, slots=True)
class Format:
    """One endpoint's format. by_kind: codecs for kinds of upstream; else `default`."""

    name: str
    check: Callable[[Mapping[str, Any]], None]
    end_user: Callable[[Mapping[str, Any]], str]
    error: ErrorBody
    default: Codec
    by_kind: Mapping[str, Codec]

    def codec(self, upstream: Upstream) -> Codec:
        """Return what serves this format over an upstream."""
        return self.by_kind.get(upstream.kind, self.default)


def _user(body: Mapping[str, Any]) -> str:
    return str(body.get("user") or "")


CHAT = Format(
    name="chat",
    check=validation.check_chat,
    end_user=_user,
    error=openai_error,
    default=ChatCodec(),
    by_kind={},
)
EMBEDDINGS = Format(
    name="embeddings",
    check=validation.check_embeddings,
    end_user=_user,
    error=openai_error,
    default=EmbeddingsCodec(),
    by_kind={},
)
