"""Data URLs: a media type and base64 in one string."""

import re

# Parameters such as a charset may stand between the type and the encoding.
_DATA_URL = re.compile(r"data:([^;,]*)(?:;[^,]*)?;base64,", re.IGNORECASE)
_ALIASES = {"image/jpg": "image/jpeg", "application/x-pdf": "application/pdf"}


def parse_data_url(url: str) -> tuple[str, str] | None:
    """Return the media type and the base64 data; None when it is no base64 data URL."""
    head = _DATA_URL.match(url)
    if head is None:
        return None
    media_type = head[1].strip().lower()
    return _ALIASES.get(media_type, media_type), url[head.end() :]


def make_data_url(media_type: str, data: str) -> str:
    """Return base64 data as a URL."""
    return f"data:{media_type};base64,{data}"


def is_web_url(url: str) -> bool:
    """Say whether a provider can fetch it."""
    return url.lower().startswith(("https://", "http://"))
