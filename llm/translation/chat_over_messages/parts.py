"""Parts of a chat message as blocks of a turn."""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

from llm.translation.data_urls import is_web_url, parse_data_url
from llm.translation.refusals import malformed, unsupported

Block = dict[str, Any]

_IMAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_PDF = "application/pdf"


def blocks_of(content: Any, where: str) -> list[Block]:
    """Return content, a string or parts, as blocks; where: its place in the request.

    Text that is blank is left out: messages refuse an empty block.
    """
    if content is None:
        return []
    if isinstance(content, str):
        return [text_block(content)] if content.strip() else []
    if not isinstance(content, list):
        raise malformed(where, "`content` must be a string or a list of parts.")
    blocks = (_block(part, f"{where}[{i}]") for i, part in enumerate(content))
    return [block for block in blocks if not _is_blank(block)]


def text_block(text: str) -> Block:
    """Return text as a block."""
    return {"type": "text", "text": text}


def with_cache_control(block: Block, source: Mapping[str, Any]) -> Block:
    """Keep the mark that everything up to here shall be cached."""
    if source.get("cache_control"):
        return {**block, "cache_control": source["cache_control"]}
    return block


def _block(part: Any, where: str) -> Block:
    if isinstance(part, str):
        return text_block(part)
    if not isinstance(part, dict):
        raise malformed(where, "A content part must be an object.")
    read = _READERS.get(str(part.get("type")))
    if read is None:
        raise unsupported(
            where, f"This model takes no content of type `{part.get('type')}`."
        )
    return with_cache_control(read(part, where), part)


def _text(part: Mapping[str, Any], where: str) -> Block:
    text = part.get("text", part.get("refusal"))
    if not isinstance(text, str):
        raise malformed(where, "A text part needs its `text`.")
    return text_block(text)


def _image(part: Mapping[str, Any], where: str) -> Block:
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, dict) else image
    if not isinstance(url, str):
        raise malformed(where, "An image part needs its `image_url.url`.")
    if is_web_url(url):
        return {"type": "image", "source": {"type": "url", "url": url}}
    media_type, data = parse_data_url(url) or ("", "")
    if media_type == _PDF:
        return _document(_base64_source(media_type, data), None)
    if media_type not in _IMAGES:
        raise unsupported(
            where,
            "An image must be JPEG, PNG, GIF or WebP, by https or as base64 data.",
        )
    return {"type": "image", "source": _base64_source(media_type, data)}


def _file(part: Mapping[str, Any], where: str) -> Block:
    file = part.get("file")
    data = file.get("file_data") if isinstance(file, dict) else None
    if not isinstance(file, dict) or not isinstance(data, str):
        raise unsupported(
            where,
            "This model cannot open an uploaded file; send its content as `file_data`.",
        )
    return _document(_file_source(data, where), file.get("filename"))


def _file_source(data: str, where: str) -> Block:
    if is_web_url(data):
        return {"type": "url", "url": data}
    media_type, encoded = parse_data_url(data) or (_PDF, data)
    if media_type == _PDF:
        return _base64_source(media_type, encoded)
    if media_type.startswith("text/"):
        text = _decoded(encoded, where)
        return {"type": "text", "media_type": "text/plain", "data": text}
    raise unsupported(where, "A file must be a PDF or plain text.")


def _decoded(data: str, where: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError) as error:
        sentence = "`file_data` is not base64 of text in UTF-8."
        raise malformed(where, sentence) from error


def _document(source: Block, title: Any) -> Block:
    document = {"type": "document", "source": source}
    return {**document, "title": title} if isinstance(title, str) else document


def _base64_source(media_type: str, data: str) -> Block:
    return {"type": "base64", "media_type": media_type, "data": data}


def _audio(part: Mapping[str, Any], where: str) -> Block:
    raise unsupported(where, "This model cannot listen: it takes no audio.")


def _is_blank(block: Block) -> bool:
    return block["type"] == "text" and not block["text"].strip()


_READERS: dict[str, Callable[[Mapping[str, Any], str], Block]] = {
    "text": _text,
    "refusal": _text,
    "image_url": _image,
    "file": _file,
    "input_audio": _audio,
}
