"""Bytes in, text out: what a document says, without touching disk or network.

The bytes decide what a document is; its name and declared type can only narrow it.
"""

import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

from devora_ops.common.errors import DevoraError, Unprocessable

Kind = Literal["text", "markdown"]

MAX_BYTES = 25 * 2**20
_SUFFIXES: dict[str, Kind] = {
    "": "text",
    ".txt": "text",
    ".text": "text",
    ".md": "markdown",
    ".markdown": "markdown",
}
_MEDIA_TYPES: dict[str, Kind] = {
    "": "text",
    "application/octet-stream": "text",
    "text/plain": "text",
    "text/markdown": "markdown",
    "text/x-markdown": "markdown",
}
_SIGNATURES = {
    b"%PDF-": "PDF",
    b"PK\x03\x04": "a zip archive or an Office document",
    b"PK\x05\x06": "a zip archive",
    b"\x7fELF": "a program",
    b"Rar!": "a RAR archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"\x1f\x8b": "a gzip archive",
    b"BZh91AY&SY": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"\xd0\xcf\x11\xe0": "an old Office document",
    b"{\\rtf": "RTF",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"GIF8": "an image",
}
_HTML = re.compile(
    rb"\s*(<!--.{0,1000}?-->\s*)?<(!doctype\s+html|html|head|body)\b", re.I | re.S
)
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_PROBE = 8192
_BINARY_SHARE = 0.1
# Category Cs and U+0000: Postgres takes neither in a text.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class UnsupportedTypeError(DevoraError):
    """The bytes, the name or the declared type are of a kind that is not taken."""

    status = 415
    code = "unsupported_type"


@dataclass(frozen=True, slots=True)
class Parsed:
    """A document's text and the encoding it was found in; lines end in newlines."""

    text: str
    encoding: str


def document_kind(data: bytes, *, filename: str = "", media_type: str = "") -> Kind:
    """Say what a document is; raises UnsupportedTypeError for all but text."""
    declared = media_type.partition(";")[0].strip().lower()
    suffix = PurePath(filename).suffix.lower()
    if declared not in _MEDIA_TYPES:
        raise UnsupportedTypeError(f"Only text and Markdown are taken, not {declared}.")
    if suffix not in _SUFFIXES:
        raise UnsupportedTypeError(f"Only text and Markdown are taken, not {suffix}.")
    _refuse_other_formats(data)
    by_name = _SUFFIXES[suffix]
    return "markdown" if by_name == "markdown" else _MEDIA_TYPES[declared]


def parse(data: bytes) -> Parsed:
    """Decode a document; raises Unprocessable (no_text) when it says nothing."""
    text, encoding = _decode(data)
    text = _UNSTORABLE.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise Unprocessable("The document has no text.", code="no_text")
    return Parsed(text, encoding)


def _refuse_other_formats(data: bytes) -> None:
    for signature, name in _SIGNATURES.items():
        if data.startswith(signature):
            raise UnsupportedTypeError(
                f"This is {name}; only text and Markdown are taken."
            )
    if _HTML.match(data):
        raise UnsupportedTypeError("This is HTML; only text and Markdown are taken.")
    probe = data[:_PROBE]
    if probe.startswith(b"MZ") and b"\0" in probe:
        raise UnsupportedTypeError("This is a Windows program.")
    if probe.startswith(_UTF16):
        return
    if len(_BINARY.findall(probe)) > _BINARY_SHARE * len(probe):
        raise UnsupportedTypeError("These bytes are not text.")


def _decode(data: bytes) -> tuple[str, str]:
    if data.startswith(_UTF16):
        return data.decode("utf-16", "replace"), "utf-16"
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return data.decode(encoding), encoding.removesuffix("-sig")
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1"), "latin-1"
