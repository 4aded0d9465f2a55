"""Bar charts as PNG, for mails, which take no SVG and no script. Pure.

Two colours that stand on white and on black alike, on a ground that lets through
whatever the reader's mail program has.
"""

import struct
import zlib
from collections.abc import Sequence
from typing import Final

_CLEAR, _LINE, _BAR, _LIT = range(4)
_PALETTE: Final = bytes.fromhex("000000 8a9099 7fb2e5 2f7fd1")
_ALPHA: Final = b"\x00\xff\xff\xff"
_GAP: Final = 0.3  # of a bar's place


def bars(
    heights: Sequence[float], *, lit: range, width: int = 1040, height: int = 240
) -> bytes:
    """Draw bars from the left, the highest as high as the picture; lit: those meant."""
    most = max(heights, default=0) or 1.0
    place = width / max(1, len(heights))
    columns = bytearray(width)  # how high the bar of each column is
    colours = bytearray(width)
    for n, value in enumerate(heights):
        left, right = n * place, (n + 1 - _GAP) * place
        for x in range(int(left), int(right)):
            columns[x] = round(max(0.0, value) / most * 255)
            colours[x] = _LIT if n in lit else _BAR
    rows = [_row(columns, colours, 1 - (y + 1) / height) for y in range(height - 2)]
    rows += [b"\x00" + bytes([_LINE]) * width] * 2
    return _file(width, height, b"".join(rows))


def _row(columns: bytearray, colours: bytearray, level: float) -> bytes:
    threshold = level * 255
    return b"\x00" + bytes(
        colour if high > threshold else _CLEAR
        for high, colour in zip(columns, colours, strict=True)
    )


def _file(width: int, height: int, rows: bytes) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)  # a palette, 8 bits
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            _chunk(b"IHDR", head),
            _chunk(b"PLTE", _PALETTE),
            _chunk(b"tRNS", _ALPHA),
            _chunk(b"IDAT", zlib.compress(rows, 9)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    crc = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)
