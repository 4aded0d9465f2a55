"""Blocks of a turn as parts of a chat message."""

from collections.abc import Callable, Mapping
from typing import Any

from llm.translation.data_urls import make_data_url
from llm.translation.refusals import malformed, unsupported

Part = dict[str, Any]

_UPLOADED = "This model cannot open an uploaded file; send its content as base64."


def blocks_in(content: Any, where: str) -> list[dict[str, Any]]:
    """Return content, a string or blocks, as blocks."""
    if content is None:
        return []
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list):
        raise malformed(where, "`content` must be a string or a list of blocks.")
    if not all(isinstance(block, dict) for block in content):
        raise malformed(where, "A content block must be an object.")
    return content


def parts_of(block: Mapping[str, Any], where: str) -> list[Part]:
    """Return one block that a user may send as parts; raises InvalidRequest.

    A mark for the cache is left out: chat models cache by themselves, and refuse it.
    """
    read = _READERS.get(str(block.get("type")))
    if read is None:
        raise unsupported(
            where, f"This model takes no content of type `{block.get('type')}`."
        )
    return read(block, where)


def text_part(text: str) -> Part:
    """Return text as a part."""
    return {"type": "text", "text": text}


def collapsed(parts: list[Part]) -> str | list[Part]:
    """Return parts as content: text alone as a string, which every server takes."""
    if all(part["type"] == "text" for part in parts):
        return joined(parts)
    return parts


def joined(parts: list[Part]) -> str:
    """Return the text of parts, each in a paragraph of its own."""
    return "\n\n".join(part["text"] for part in parts if part["type"] == "text")


def _text(block: Mapping[str, Any], where: str) -> list[Part]:
    text = block.get("text")
    if not isinstance(text, str):
        raise malformed(where, "A text block needs its `text`.")
    return [text_part(text)] if text else []


def _image(block: Mapping[str, Any], where: str) -> list[Part]:
    source = _source(block, where)
    if source.get("type") == "url":
        url = str(source.get("url"))
    elif source.get("type") == "base64":
        url = make_data_url(str(source.get("media_type")), str(source.get("data")))
    else:
        raise unsupported(where, _UPLOADED)
    return [{"type": "image_url", "image_url": {"url": url}}]


def _document(block: Mapping[str, Any], where: str) -> list[Part]:
    source = _source(block, where)
    kind = source.get("type")
    if kind == "text":
        data = str(source.get("data") or "")
        return [*_heads(block, "title", "context"), text_part(data)]
    if kind == "content":
        inner = _inner(source, where)
        return [*_heads(block, "title", "context"), *inner]
    if kind == "base64":
        return [*_heads(block, "context"), _file(block, source)]
    if kind == "url":
        raise unsupported(
            where, "This model cannot fetch a document; send its content as base64."
        )
    raise unsupported(where, _UPLOADED)


def _file(block: Mapping[str, Any], source: Mapping[str, Any]) -> Part:
    media_type = str(source.get("media_type") or "application/pdf")
    file = {
        "filename": str(block.get("title") or "document.pdf"),
        "file_data": make_data_url(media_type, str(source.get("data"))),
    }
    return {"type": "file", "file": file}


def _search_result(block: Mapping[str, Any], where: str) -> list[Part]:
    return [*_heads(block, "title", "source"), *_inner(block, where)]


def _heads(block: Mapping[str, Any], *names: str) -> list[Part]:
    """Return what tells the model where a text is from."""
    heads = (block.get(name) for name in names)
    return [text_part(head) for head in heads if isinstance(head, str) and head]


def _inner(source: Mapping[str, Any], where: str) -> list[Part]:
    inner = blocks_in(source.get("content"), where)
    return [part for block in inner for part in parts_of(block, where)]


def _source(block: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    source = block.get("source")
    if not isinstance(source, dict):
        raise malformed(where, "A block of this type needs its `source`.")
    return source


_READERS: dict[str, Callable[[Mapping[str, Any], str], list[Part]]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "search_result": _search_result,
}
