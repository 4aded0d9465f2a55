"""What a request asks for, read at a glance: enough to refuse it, and no more.

Whoever refuses two callers for each one he serves must do so for a fraction of what
serving costs, and most of what refusing cost was reading the request properly. Nothing
is decided here about a request that is in any way unusual: that takes the long way.
"""

import re
from typing import Final, NamedTuple

_HEAD: Final = re.compile(
    rb"POST (/v1/[\w/.-]*) HTTP/1\.1\r\n((?:[\w-]+:[ -~]*\r\n)+)\r\n"
)
_LENGTH: Final = re.compile(rb"^content-length:[ ]*(\d{1,12})[ ]*\r$", re.MULTILINE)
_REQUEST_ID: Final = re.compile(
    rb"^x-request-id:[ ]*(\S*)[ ]*\r$", re.MULTILINE | re.IGNORECASE
)
_KEPT: Final = b"connection: keep-alive\r\n"
# What changes where a request ends, or what follows it.
_UNUSUAL: Final = (b"transfer-encoding:", b"expect:", b"upgrade:", b"connection:")


class Glance(NamedTuple):
    """A POST below /v1. request_ids: as its head has them; size: bytes, body and all."""

    path: str
    request_ids: list[bytes]
    size: int


def glance(data: bytes) -> Glance | None:
    """Return what begins with these bytes; None when it is not clear at a glance."""
    head = _HEAD.match(data)
    if head is None:
        return None
    lines = head[2].lower().replace(_KEPT, b"")
    if any(name in lines for name in _UNUSUAL):
        return None
    lengths = _LENGTH.findall(lines)
    if len(lengths) != 1 or lines.count(b"content-length:") != 1:
        return None
    return Glance(
        head[1].decode(), _REQUEST_ID.findall(head[2]), head.end() + int(lengths[0])
    )
