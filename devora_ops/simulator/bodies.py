"""A JSON reply, whole or spoiled as the model's name says."""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from devora_ops.simulator.behaviours import Script
from devora_ops.simulator.connection import Headers
from devora_ops.simulator.wire import JSONObject

_MEGABYTE = 1 << 20
_JSON = (b"content-type", b"application/json")
HTML_TYPE = (b"content-type", b"text/html; charset=utf-8")
_MISSING_BYTES = 100
HTML = b"""<!DOCTYPE html>
<html><head><title>Just a moment...</title></head>
<body><h1>Checking your browser</h1><p>Ray ID: 8f1c2d3e4f5a6b7c</p></body></html>
"""
_BAD = {
    "negative": (-5,),
    "string": ("many",),
    "huge": (10**18,),
    "mixed": (-5, "many", 10**18),
}
_BAD_COST = {"negative": -0.5, "string": "a lot", "huge": 10**9, "missing": None}


@dataclass(frozen=True, slots=True)
class Reply:
    """A body and what is said about it. cut: the connection closes after the parts."""

    headers: Headers
    parts: Iterable[bytes]
    cut: bool = False


def spoil(script: Script, document: JSONObject) -> Reply:
    """Return the reply that the script makes of a document."""
    if script.html:
        return _whole(HTML, HTML_TYPE)
    body = orjson.dumps(document)
    if script.malformed:
        return _whole(body[: len(body) * 2 // 3])
    if script.short_body:
        return Reply([_JSON, _length(len(body) + _MISSING_BYTES)], [body], cut=True)
    if script.cut_after is not None:
        half = body[: len(body) // 2]
        return Reply([_JSON, _length(len(body))], [half], cut=True)
    if script.huge_body_mb:
        return Reply([_JSON], _padded(body, script.huge_body_mb))
    if script.gzip_bomb_mb:
        headers = [_JSON, (b"content-encoding", b"gzip")]
        return Reply(headers, [_bomb(script.gzip_bomb_mb), b""])
    return _whole(body)


def spoil_usage(script: Script, usage: JSONObject) -> JSONObject | None:
    """Return the usage that the answer shows, which may not be the one billed."""
    if script.no_usage:
        return None
    if script.bad_cost:
        usage = {**usage, "cost": _BAD_COST[script.bad_cost]}
    if not script.bad_usage:
        return usage
    bad = _BAD[script.bad_usage]
    counts = [name for name, value in usage.items() if type(value) is int]
    return {**usage, **{name: bad[i % len(bad)] for i, name in enumerate(counts)}}


def _whole(body: bytes, kind: tuple[bytes, bytes] = _JSON) -> Reply:
    return Reply([kind, _length(len(body))], [body])


def _length(size: int) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % size


def _padded(body: bytes, megabytes: float) -> Iterator[bytes]:
    """Valid JSON of at least that size: the document, then blanks, in pieces."""
    yield body
    blanks = b" " * _MEGABYTE
    for _ in range(round(megabytes)):
        yield blanks


@lru_cache(maxsize=4)
def _bomb(megabytes: float) -> bytes:
    packer: Any = zlib.compressobj(9, wbits=31)
    blanks = b" " * _MEGABYTE
    parts = [packer.compress(blanks) for _ in range(round(megabytes))]
    return b"".join([*parts, packer.compress(b"{}"), packer.flush()])
