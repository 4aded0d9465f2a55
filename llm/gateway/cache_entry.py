"""A cached answer and its bytes in Redis.

Layout: version, flags, made_at, expires_at, the lengths of cost, model, call id and
uncompressed body; then those texts and the body. Whatever does not fit it is a miss.
"""

import struct
import zlib
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

_VERSION = 1
_HEAD = struct.Struct("<BBddHHHI")
_COMPRESSED = 1
_COMPRESS_FROM = 4096
_LEVEL = 1  # higher ones take three times as long for a tenth less
_WORTH = 0.8  # else reading it back costs more than its memory


class Entry(NamedTuple):
    """An answer that may be given again, byte for byte.

    made_at, expires_at: Unix time. cost_usd: what it cost when it was made, so what a
    hit saves; None when that is not known. call_id: the call that made it.
    """

    body: bytes
    made_at: float
    expires_at: float
    cost_usd: Decimal | None
    model: str
    call_id: str = ""

    def serves(self, now: float, max_age_s: float | None = None) -> bool:
        """Whether it may be given now to one who takes answers up to that age."""
        if now >= self.expires_at:
            return False
        return max_age_s is None or now - self.made_at <= max_age_s


def encode(entry: Entry) -> bytes:
    """Return an entry's bytes."""
    cost = b"" if entry.cost_usd is None else str(entry.cost_usd).encode()
    model, call_id = entry.model.encode(), entry.call_id.encode()
    body, flags = _compressed(entry.body)
    head = _HEAD.pack(
        _VERSION,
        flags,
        entry.made_at,
        entry.expires_at,
        len(cost),
        len(model),
        len(call_id),
        len(entry.body),
    )
    return b"".join((head, cost, model, call_id, body))


def decode(data: bytes) -> Entry | None:
    """Return the entry of some bytes; None when they are not one of this version."""
    try:
        return _decode(data)
    except (struct.error, zlib.error, UnicodeDecodeError, InvalidOperation):
        return None


def _decode(data: bytes) -> Entry | None:
    version, flags, made_at, expires_at, *lengths = _HEAD.unpack_from(data)
    if version != _VERSION:
        return None
    texts, at = [], _HEAD.size
    for length in lengths[:3]:
        texts.append(data[at : at + length].decode())
        at += length
    size, body = lengths[3], data[at:]
    if flags & _COMPRESSED:
        unpacking = zlib.decompressobj()
        # Bounded: a few bytes can unpack into gigabytes.
        body = unpacking.decompress(body, size + 1)
        if not unpacking.eof:
            return None
    if len(body) != size:
        return None
    cost, model, call_id = texts
    cost_usd = Decimal(cost) if cost else None
    return Entry(body, made_at, expires_at, cost_usd, model, call_id)


def _compressed(body: bytes) -> tuple[bytes, int]:
    if len(body) >= _COMPRESS_FROM:
        packed = zlib.compress(body, _LEVEL)
        if len(packed) <= _WORTH * len(body):
            return packed, _COMPRESSED
    return body, 0
