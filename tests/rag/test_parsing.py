"""What a document is, and what it says."""

import pytest

from devora_ops.common.errors import Unprocessable
from rag.parsing import UnsupportedTypeError, document_kind, parse

REFUSED = {
    "a PDF": (b"%PDF-1.7\n...", "a.txt", ""),
    "a zip archive": (b"PK\x03\x04abc", "a.txt", ""),
    "a Windows program": (b"MZ\x90\x00\x03", "", ""),
    "a program": (b"\x7fELF\x02", "", ""),
    "a RAR archive": (b"Rar!\x1a\x07", "", ""),
    "a gzip archive": (b"\x1f\x8b\x08\x00", "", ""),
    "an image": (b"\x89PNG\r\n\x1a\n", "a.md", ""),
    "HTML": (b"\n<!doctype html><p>x", "a.txt", ""),
    "HTML named as a PDF": (b"<html>", "a.pdf", ""),
    "HTML by its declared type": (b"plain", "a.txt", "text/html; charset=utf-8"),
    "a name of another kind": (b"plain", "a.docx", ""),
    "noise": (bytes(range(32)) * 50, "", ""),
}


@pytest.mark.parametrize(
    ("data", "filename", "media_type"), REFUSED.values(), ids=REFUSED
)
def test_it_refuses_all_but_text(data, filename, media_type):
    with pytest.raises(UnsupportedTypeError) as refusal:
        document_kind(data, filename=filename, media_type=media_type)
    assert refusal.value.status == 415
    assert refusal.value.code == "unsupported_type"


@pytest.mark.parametrize(
    ("filename", "media_type", "kind"),
    [
        ("", "", "text"),
        ("a.txt", "text/plain; charset=utf-8", "text"),
        ("README.MD", "application/octet-stream", "markdown"),
        ("notes", "text/markdown", "markdown"),
        (".htaccess", "", "text"),
    ],
)
def test_name_and_declared_type_tell_markdown_from_text(filename, media_type, kind):
    assert document_kind(b"# x", filename=filename, media_type=media_type) == kind


@pytest.mark.parametrize("text", ["MZ is a code.", "BZh is a station.", "a < b"])
def test_a_text_that_begins_like_a_program_is_text(text):
    assert document_kind(text.encode()) == "text"


@pytest.mark.parametrize(
    ("data", "text", "encoding"),
    [
        ("déjà".encode(), "déjà", "utf-8"),
        ("déjà".encode("utf-8-sig"), "déjà", "utf-8"),
        ("déjà".encode("utf-16"), "déjà", "utf-16"),
        ("déjà œuvre".encode("cp1252"), "déjà œuvre", "cp1252"),
        (b"\xe9\x81", "é\x81", "latin-1"),
        (b"a\r\nb\rc", "a\nb\nc", "utf-8"),
        (b"a\0b", "ab", "utf-8"),
        (b"\xff\xfea\0\x00\xd8", "a\ufffd", "utf-16"),
    ],
)
def test_it_reads_the_encodings_people_have(data, text, encoding):
    parsed = parse(data)
    assert (parsed.text, parsed.encoding) == (text, encoding)


@pytest.mark.parametrize("data", [b"", b"\n" * 1000, b"\0\0", b" \t\r\n"])
def test_a_document_without_text_is_refused(data):
    with pytest.raises(Unprocessable) as refusal:
        parse(data)
    assert refusal.value.code == "no_text"
