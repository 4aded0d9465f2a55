"""What a chat request must look like before money is set aside for it.

Only what every provider refuses, or what would harm us, is refused here; everything
unknown passes upstream untouched.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from devora_ops.common import strict_json
from devora_ops.common.errors import InvalidRequest, PayloadTooLarge

REFUSED_FIELDS = frozenset(
    {
        "api_key",
        "api_base",
        "base_url",
        "extra_headers",
        "callbacks",
        "mock_response",
    }
)
_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_MOST_USER_BYTES = 1024
_MOST_MODEL_CHARACTERS = 256
_MOST_DEPTH = 100
_MOST_SCHEMA_DEPTH = 64


def parse(raw: bytes) -> dict[str, Any]:
    """Return the body as an object; raises InvalidRequest."""
    try:
        body = strict_json.loads(raw, max_depth=_MOST_DEPTH, allow_nul=True)
    except strict_json.StrictJSONError as error:
        code = {"surrogate": "invalid_unicode", "too_deep": "parse_error"}
        raise InvalidRequest(
            error.message, code=code.get(error.code, error.code), param=error.path
        ) from error
    if not isinstance(body, dict):
        _refuse("The body must be a JSON object.", None)
    return body


def check_model(body: Mapping[str, Any]) -> str:
    """Return the model that the body names."""
    model = body.get("model")
    if model is None:
        _refuse("Name a model.", "model", "missing")
    if not isinstance(model, str) or not model.strip() or not model.isprintable():
        _refuse("`model` must be a name.", "model")
    if len(model) > _MOST_MODEL_CHARACTERS:
        raise PayloadTooLarge("`model` is far too long.", param="model")
    return model


def check_chat(body: Mapping[str, Any]) -> None:
    """Refuse a chat body that no provider could serve; raises InvalidRequest."""
    _check_names(body)
    _check_messages(body.get("messages"))
    _check_fields(body, _FIELDS)
    if body.get("max_tokens") and body.get("max_completion_tokens"):
        _refuse(
            "Send `max_tokens` or `max_completion_tokens`, not both.",
            "max_tokens",
            "conflict",
        )


def check_embeddings(body: Mapping[str, Any]) -> None:
    """Refuse an embeddings body that no provider could serve; raises InvalidRequest."""
    _check_names(body)
    given = body.get("input")
    if given is None:
        _refuse("Send `input`.", "input", "missing")
    if isinstance(given, list):
        if not given or not all(map(_is_embeddable, given)):
            _refuse(
                "`input` must be texts or lists of token ids, and not empty.", "input"
            )
    elif not isinstance(given, str) or not given:
        _refuse("`input` must be a text that is not empty, or a list.", "input")
    _check_fields(body, _EMBEDDING_FIELDS)


def _is_embeddable(given: Any) -> bool:
    if isinstance(given, list):
        return bool(given) and all(type(token) is int for token in given)
    return type(given) is int or (isinstance(given, str) and bool(given))


def _check_names(body: Mapping[str, Any]) -> None:
    for name in REFUSED_FIELDS & body.keys():
        _refuse(
            f"`{name}` is not accepted: providers and their keys are set by the "
            "gateway's operator.",
            name,
            "unknown_parameter",
        )


def _check_fields(
    body: Mapping[str, Any], fields: Mapping[str, Callable[[Any, str], None]]
) -> None:
    for name, check in fields.items():
        if body.get(name) is not None:
            check(body[name], name)


def _check_messages(messages: Any) -> None:
    if messages is None:
        _refuse("Send `messages`.", "messages", "missing")
    if not isinstance(messages, list) or not messages:
        _refuse("`messages` must be a list that is not empty.", "messages")
    for place, message in enumerate(messages):
        _check_message(message, f"messages[{place}]")


def _check_message(message: Any, where: str) -> None:
    if not isinstance(message, dict):
        _refuse("A message must be an object.", where)
    if message.get("role") not in _ROLES:
        _refuse(f"A role must be one of {', '.join(sorted(_ROLES))}.", f"{where}.role")
    if message["role"] == "tool" and not message.get("tool_call_id"):
        _refuse("A tool message needs its `tool_call_id`.", f"{where}.tool_call_id")
    content = message.get("content")
    if isinstance(content, list):
        for place, part in enumerate(content):
            _check_part(part, f"{where}.content[{place}]")
    elif not isinstance(content, str | None):
        _refuse("`content` must be a text or a list of parts.", f"{where}.content")


def _check_part(part: Any, where: str) -> None:
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        _refuse("A content part must be an object with a `type`.", where)
    if part["type"] == "text" and not isinstance(part.get("text"), str):
        _refuse("A text part needs its `text`.", f"{where}.text")
    url = image_url(part)
    if url is not None and url.startswith("data:"):
        header, comma, data = url.partition(",")
        if not comma or (header.endswith(";base64") and not _is_base64(data)):
            _refuse("The image is not valid base64.", f"{where}.image_url.url")


def image_url(part: Mapping[str, Any]) -> str | None:
    """Return the URL of an image part, None of any other part."""
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, dict) else image
    return url if isinstance(url, str) else None


def _is_base64(data: str) -> bool:
    try:
        base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _positive(most: int) -> Callable[[Any, str], None]:
    def check(value: Any, name: str) -> None:
        if type(value) is not int:
            _refuse(f"`{name}` must be a whole number.", name)
        if not 1 <= value <= most:
            _refuse(f"`{name}` must be between 1 and {most}.", name, "range")

    return check


def _between(low: float, high: float) -> Callable[[Any, str], None]:
    def check(value: Any, name: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            _refuse(f"`{name}` must be a number.", name)
        if not low <= value <= high:
            _refuse(f"`{name}` must be between {low} and {high}.", name, "range")

    return check


def _flag(value: Any, name: str) -> None:
    if not isinstance(value, bool):
        _refuse(f"`{name}` must be true or false.", name)


def _false(value: Any, name: str) -> None:
    if value is not False:
        _refuse("Embeddings do not stream.", name)


def _one_of(*allowed: str) -> Callable[[Any, str], None]:
    def check(value: Any, name: str) -> None:
        if value not in allowed:
            _refuse(f"`{name}` must be one of {', '.join(allowed)}.", name)

    return check


def _object(value: Any, name: str) -> None:
    if not isinstance(value, dict):
        _refuse(f"`{name}` must be an object.", name)


def _stop(value: Any, name: str) -> None:
    texts = value if isinstance(value, list) else [value]
    if not all(isinstance(text, str) for text in texts):
        _refuse("`stop` must be a text or a list of texts.", name)


def _logit_bias(value: Any, name: str) -> None:
    _object(value, name)
    for token, bias in value.items():
        if not token.isdigit() or isinstance(bias, bool | str | list | dict | None):
            _refuse("`logit_bias` maps token ids to numbers.", name)


def _user(value: Any, name: str) -> None:
    if not isinstance(value, str) or "\0" in value:
        _refuse(f"`{name}` must be a text.", name)
    if len(value.encode()) > _MOST_USER_BYTES:
        _refuse(
            f"`{name}` may have at most {_MOST_USER_BYTES} bytes.", name, "max_length"
        )


def _tools(value: Any, name: str) -> None:
    if not isinstance(value, list):
        _refuse("`tools` must be a list.", name)
    names = [
        tool["function"].get("name")
        for tool in value
        if isinstance(tool, dict) and isinstance(tool.get("function"), dict)
    ]
    if len(set(map(str, names))) != len(names):
        _refuse("Two tools have the same name.", name, "duplicate")


def _response_format(value: Any, name: str) -> None:
    _object(value, name)
    if _depth(value) > _MOST_SCHEMA_DEPTH:
        _refuse("The schema is nested too deeply.", name, "too_deep")


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
    return depth


_FIELDS: Mapping[str, Callable[[Any, str], None]] = {
    "max_tokens": _positive(10_000_000),
    "max_completion_tokens": _positive(10_000_000),
    "n": _positive(128),
    "temperature": _between(0, 2),
    "top_p": _between(0, 1),
    "frequency_penalty": _between(-2, 2),
    "presence_penalty": _between(-2, 2),
    "stream": _flag,
    "stream_options": _object,
    "stop": _stop,
    "logit_bias": _logit_bias,
    "user": _user,
    "tools": _tools,
    "response_format": _response_format,
}

_EMBEDDING_FIELDS: Mapping[str, Callable[[Any, str], None]] = {
    "dimensions": _positive(100_000),
    "encoding_format": _one_of("float", "base64"),
    "stream": _false,
    "user": _user,
}


def _refuse(message: str, param: str | None, code: str = "invalid") -> NoReturn:
    raise InvalidRequest(message, code=code, param=param)
