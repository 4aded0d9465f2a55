"""The id that a request goes by: in its answer, in the log, in the audit."""

from collections.abc import Iterable

from devora_ops.common.ids import uuid7_hex

HEADER = b"x-request-id"
_MOST_BYTES = 64


def of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the caller's X-Request-Id when it is a sane one, else a new id."""
    for name, value in headers:
        if name == HEADER and is_sane(value):
            return value.decode()
    return uuid7_hex()


def is_sane(told: bytes) -> bool:
    """Say whether an id is short, and of letters, digits, hyphens and underscores."""
    return (
        0 < len(told) <= _MOST_BYTES
        and told.replace(b"-", b"").replace(b"_", b"").isalnum()
    )
