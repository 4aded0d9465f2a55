"""Every address that the project serves, found and filled in."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.urls import URLPattern, URLResolver, get_resolver, reverse

_VALUES = {
    "UUIDConverter": "01890000-0000-7000-8000-000000000000",
    "IntConverter": 2_000_000_000,
}


@dataclass(frozen=True)
class Route:
    """An address: its name with the namespace, and one path of it."""

    name: str
    path: str


def routes() -> Iterator[Route]:
    """Yield every named address; an unnamed one is yielded by its pattern."""
    yield from _walk(get_resolver().url_patterns, namespace="", prefix="")


def _walk(patterns, *, namespace: str, prefix: str) -> Iterator[Route]:
    for entry in patterns:
        if isinstance(entry, URLResolver):
            inner = f"{namespace}{entry.namespace}:" if entry.namespace else namespace
            yield from _walk(
                entry.url_patterns,
                namespace=inner,
                prefix=prefix + str(entry.pattern),
            )
        else:
            yield _route(entry, namespace, prefix + str(entry.pattern))


def _route(entry: URLPattern, namespace: str, pattern: str) -> Route:
    if not entry.name:
        return Route(pattern, "/" + pattern)
    converters = getattr(entry.pattern, "converters", {})
    values = {
        name: _VALUES.get(type(converter).__name__, "none")
        for name, converter in converters.items()
    }
    name = namespace + entry.name
    if "(?P<" in pattern or "(" in pattern:
        return Route(name, "/" + pattern)
    return Route(name, reverse(name, kwargs=values))
