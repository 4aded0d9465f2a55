"""What the contents of all formats have in common: a text, or a list of typed parts."""

from collections.abc import Callable, Mapping
from typing import Any

from llm.gateway.validation.fields import is_base64, refuse

CheckPart = Callable[[Mapping[str, Any], str], None]


def check_content(content: Any, where: str, check_part: CheckPart) -> None:
    """Refuse what is neither a text, nor nothing, nor a list of parts that pass."""
    if isinstance(content, list):
        for place, part in enumerate(content):
            inside = f"{where}[{place}]"
            if not isinstance(part, dict) or not isinstance(part.get("type"), str):
                refuse("A content part must be an object with a `type`.", inside)
            check_part(part, inside)
    elif not isinstance(content, str | None):
        refuse("`content` must be a text or a list of parts.", where)


def check_text(part: Mapping[str, Any], where: str, *kinds: str) -> None:
    """Refuse a text part without its text."""
    if part["type"] in kinds and not isinstance(part.get("text"), str):
        refuse("A text part needs its `text`.", f"{where}.text")


def check_picture(url: Any, where: str) -> None:
    """Refuse a picture in a URL of its own that nobody can read."""
    if not isinstance(url, str) or not url.startswith("data:"):
        return
    header, comma, data = url.partition(",")
    if not comma or (header.endswith(";base64") and not is_base64(data)):
        refuse("The image is not valid base64.", where)
