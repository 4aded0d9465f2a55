"""Upper bounds of what a prepared body can cost, before anybody has counted. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# The most tokens that a provider makes of one image, whatever its bytes.
_IMAGE_TOKENS = 8192
# A document's pages become text and pictures, a film many: bytes say little of either.
_DOCUMENT_TOKENS = 500_000
_BULKY = ("file", "input_file", "document", "input_audio", "audio_url", "video_url")
_IMAGES = ("image_url", "image", "input_image", "computer_screenshot")
_MOST_SEARCHES, MOST_TOLD_SEARCHES = 20, 1000
_WRAPPING, _TOOLS = 16, 1024
_WITH_BASE64 = (b"base64", b"input_audio")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{2048,}")
_HIDDEN_PROMPT = 20_000
# What a provider keeps for us and reads again, as long as it may be.
REMEMBERED = frozenset({"previous_response_id", "conversation", "prompt"})


def input_bound(
    payload: Mapping[str, Any], size: int, *, window: int | None = None
) -> int:
    """Bound the input tokens of a body of `size` bytes.

    window: the model's context window, which bounds what a provider remembers for us.
    A token stands for at least one byte of the request. Pictures are the exception both
    ways: their bytes say nothing of their tokens. Providers wrap each message in a few
    tokens of their own, and tools in hundreds.
    """
    messages = turns(payload)
    bound = size + _WRAPPING * len(messages) + bool(payload.get("tools")) * _TOOLS
    for part in parts(messages):
        kind = part.get("type")
        if kind in _IMAGES:
            bound += _IMAGE_TOKENS - len(_image(part))
        elif kind in _BULKY:
            bound += _DOCUMENT_TOKENS
    if window and any(payload.get(name) for name in REMEMBERED & payload.keys()):
        return max(bound, window)
    return bound


def most_believed(bound: int) -> int:
    """Return the most input tokens that a provider is believed for a bounded body.

    A bill is a bill, even where a server adds prompts of its own; beyond this it is none.
    """
    return 4 * bound + _HIDDEN_PROMPT


def most_believed_searches(payload: Mapping[str, Any]) -> int:
    """Return the most web searches that a provider is believed: some search unasked."""
    return max(web_searches_bound(payload), _MOST_SEARCHES)


def web_searches_bound(payload: Mapping[str, Any]) -> int:
    """Bound the web searches that a request may be billed for."""
    searches = int("web_search_options" in payload)
    for tool in payload.get("tools") or ():
        if str(tool.get("type", "")).startswith("web_search"):
            most = tool.get("max_uses", payload.get("max_tool_calls"))
            told = type(most) is int and 0 <= most <= MOST_TOLD_SEARCHES
            searches += most if told else _MOST_SEARCHES
    return searches


def text_size(raw: bytes) -> int:
    """Return the bytes of a body without those of pictures, films and documents.

    What is so long and without a space is base64; there is little text in its tokens.
    """
    if not any(word in raw for word in _WITH_BASE64):
        return len(raw)  # looking for the words is much cheaper than for what is long
    return len(raw) - sum(len(found[0]) for found in _BASE64.finditer(raw))


def turns(body: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return a body's messages, or the items that Responses have for them."""
    if messages := body.get("messages"):
        return messages  # type: ignore[no-any-return]
    given = body.get("input")
    if not isinstance(given, list):
        return ()
    return [item for item in given if isinstance(item, dict)]


def parts(messages: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the parts of all contents, and those that tools' results carry."""
    for message in messages:
        content = message.get("content") or message.get("output")
        if isinstance(content, dict):  # a screen that somebody else's program sees
            content = [content]
        if isinstance(content, list):
            yield from _nested(content)


def _nested(content: list[Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the parts of a content, and those that a tool's result carries."""
    for part in content:
        if not isinstance(part, dict):
            continue
        yield part
        if part.get("type") == "tool_result" and isinstance(part.get("content"), list):
            yield from _nested(part["content"])


def _image(part: Mapping[str, Any]) -> str:
    """Return the URL or the base64 text of an image part of either format."""
    image = part.get("image_url") or part.get("source")
    if isinstance(image, dict):
        image = image.get("url") or image.get("data")
    return image if isinstance(image, str) else ""
