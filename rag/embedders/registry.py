"""The embedders there are, each made once a process."""

from collections.abc import Callable
from functools import lru_cache

from devora_ops.common.errors import InvalidRequest
from rag.embedders.local import LocalEmbedder
from rag.embedders.protocol import Embedder

DEFAULT = LocalEmbedder.name
_MAKERS: dict[str, Callable[[], Embedder]] = {LocalEmbedder.name: LocalEmbedder}
_SHORT_NAMES = {"local": LocalEmbedder.name}


def canonical_name(name: str) -> str:
    """Return an embedder's full name; refuses one that does not exist."""
    full = _SHORT_NAMES.get(name, name)
    if full not in _MAKERS:
        raise InvalidRequest(
            f"There is no embedder {name!r}; there are: {', '.join(_MAKERS)}.",
            code="invalid_choice",
            param="embedder",
        )
    return full


def known_embedders() -> tuple[str, ...]:
    """Return the full names of the embedders there are."""
    return tuple(_MAKERS)


def embedder_named(name: str) -> Embedder:
    """Return this process's embedder of that name, loading nothing yet."""
    return _made(canonical_name(name))


@lru_cache
def _made(full: str) -> Embedder:
    return _MAKERS[full]()
