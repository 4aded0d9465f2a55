"""Calls as the bytes that go over the wire, made before the load begins."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from random import Random
from typing import Any

import orjson

_NUMBER = b"000000000000"
_NUMBERS = count(1)  # no two requests with the same text in all the loads


@dataclass(frozen=True, slots=True)
class HangUp:
    """When and how a client goes away in the middle of its call.

    after_s, after_chunks: whichever comes first; chunks are events of a stream.
    at_end: as soon as it has the whole answer. With neither, once OpenLoad.hang_up is
    called. reset: by a TCP reset, else by closing as a program does that ends in order.
    """

    after_s: float | None = None
    after_chunks: int | None = None
    at_end: bool = False
    reset: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One call. kind: a name of the scenario's own, to find outcomes by."""

    data: bytes
    stream: bool
    kind: str = ""
    hangs_up: HangUp | None = None
    patience_s: float = 60.0
    keeps_body: bool = False


def chat(
    model: str,
    key: str,
    *,
    stream: bool = False,
    kind: str = "",
    hangs_up: HangUp | None = None,
    patience_s: float = 60.0,
    keeps_body: bool = False,
    path: str = "/v1/chat/completions",
    headers: Mapping[str, str] | None = None,
    **fields: Any,
) -> Callable[[], Request]:
    """Return what makes calls that differ only in a number in their text.

    fields: of the body, beside model, messages, max_tokens and stream.
    """
    message = {"role": "user", "content": f"{_NUMBER.decode()}: where is my parcel?"}
    body = {"model": model, "messages": [message], "max_tokens": 200, "stream": stream}
    data = post(path, key, {**body, **fields}, headers or {})
    before, after = data.split(_NUMBER)
    pattern = Request(b"", stream, kind, hangs_up, patience_s, keeps_body)

    def make() -> Request:
        return replace(pattern, data=b"%b%012d%b" % (before, next(_NUMBERS), after))

    return make


def post(
    path: str, key: str, body: Mapping[str, Any], headers: Mapping[str, str]
) -> bytes:
    """Return one request as it goes over the wire."""
    data = orjson.dumps(body)
    lines = (
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Authorization: Bearer {key}",
        *(f"{name}: {value}" for name, value in headers.items()),
        f"Content-Length: {len(data)}",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def mixed(
    random: Random, shares: Mapping[Callable[[], Request], float]
) -> Iterator[Request]:
    """Yield calls without end, each kind as often as its share says."""
    makers, weights = list(shares), list(shares.values())
    while True:
        yield random.choices(makers, weights)[0]()
