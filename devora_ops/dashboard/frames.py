"""What a browser may say on the socket: parsed strictly, refused with a code.

A frame is `{"type": "subscribe", "topics": […], "filters": {…}, "since": n}` or
`{"type": "unsubscribe", "topics": […]}`; the filters are those of the page's address.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from devora_ops.common.strict_json import StrictJSONError, loads
from devora_ops.common.text import TextRefused, check_text
from devora_ops.dashboard.filters import OF_NEWS, Scope

TOPICS: Final = frozenset({"kpi", "calls"})
MOST_BYTES: Final = 65_536
_MOST_TOPICS = 10
_MOST_VALUES = 20
_DEEPEST = 8
_LONGEST_VALUE = 256
_LARGEST_SINCE = 2**53
_FIELDS: Final = {
    "subscribe": frozenset({"type", "topics", "filters", "since"}),
    "unsubscribe": frozenset({"type", "topics"}),
}


class BadFrame(ValueError):
    """A frame that means nothing here; code is for programs, message for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Frame:
    """A request that was understood. since: the last number the page has seen."""

    type: Literal["subscribe", "unsubscribe"]
    topics: frozenset[str]
    scope: Scope = Scope()
    since: int | None = None


def parse(text: str) -> Frame:
    """Read one text frame or raise BadFrame."""
    data = _object(text)
    kind = _kind(data)
    if unknown := data.keys() - _FIELDS[kind]:
        raise BadFrame("unknown_field", f"Unknown field: {min(unknown)[:40]}.")
    topics = _topics(data)
    if kind == "unsubscribe":
        return Frame("unsubscribe", topics)
    return Frame("subscribe", topics, _scope(data.get("filters")), _since(data))


def _object(text: str) -> dict[str, Any]:
    try:
        data = loads(text.encode(), max_depth=_DEEPEST)
    except StrictJSONError as error:
        code = "invalid_json" if error.code == "parse_error" else error.code
        raise BadFrame(code, error.message) from error
    except UnicodeEncodeError as error:
        raise BadFrame("invalid_json", "Not valid Unicode.") from error
    if not isinstance(data, dict):
        raise BadFrame("invalid_json", "A frame is a JSON object.")
    return data


def _kind(data: Mapping[str, Any]) -> Literal["subscribe", "unsubscribe"]:
    if "type" not in data:
        raise BadFrame("missing_type", "A frame has a type.")
    match data["type"]:
        case "subscribe":
            return "subscribe"
        case "unsubscribe":
            return "unsubscribe"
        case str():
            raise BadFrame("unknown_type", "Use subscribe or unsubscribe.")
        case _:
            raise BadFrame("invalid_type", "The type is a string.")


def _topics(data: Mapping[str, Any]) -> frozenset[str]:
    topics = data.get("topics")
    if not topics:
        raise BadFrame("missing_topic", "Name at least one topic.")
    if not isinstance(topics, list):
        raise BadFrame("invalid_topic", "Topics are a list.")
    if len(topics) > _MOST_TOPICS:
        raise BadFrame("too_many_topics", f"At most {_MOST_TOPICS} topics.")
    if not all(isinstance(topic, str) and topic in TOPICS for topic in topics):
        raise BadFrame("invalid_topic", f"Topics are {', '.join(sorted(TOPICS))}.")
    return frozenset(topics)


def _since(data: Mapping[str, Any]) -> int | None:
    since = data.get("since")
    if since is None:
        return None
    if type(since) is not int or not 0 <= since <= _LARGEST_SINCE:
        raise BadFrame("invalid_since", "since is a number that the server has sent.")
    return since


def _scope(filters: Any) -> Scope:
    if filters is None:
        return Scope()
    if not isinstance(filters, dict) or filters.keys() - OF_NEWS:
        raise BadFrame("invalid_filter", f"Filters are {', '.join(sorted(OF_NEWS))}.")
    return Scope(**{name: _values(values) for name, values in filters.items()})


def _values(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or len(values) > _MOST_VALUES:
        raise BadFrame("invalid_filter", f"A list of up to {_MOST_VALUES} values.")
    if not all(isinstance(value, str) for value in values):
        raise BadFrame("invalid_filter", "A filter's values are strings.")
    try:
        for value in values:
            check_text(value, max_length=_LONGEST_VALUE)
    except TextRefused as error:
        raise BadFrame("invalid_filter", error.message) from error
    return tuple(dict.fromkeys(values))
