"""The body as such: JSON, an object, with a model in it."""

from collections.abc import Mapping
from typing import Any

from devora_ops.common import strict_json
from devora_ops.common.errors import InvalidRequest, PayloadTooLarge
from llm.gateway.validation.fields import refuse

_MOST_MODEL_CHARACTERS = 256
_MOST_DEPTH = 100


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
        refuse("The body must be a JSON object.", None)
    return body


def check_model(body: Mapping[str, Any]) -> str:
    """Return the model that the body names."""
    model = body.get("model")
    if model is None:
        refuse("Name a model.", "model", "missing")
    if not isinstance(model, str) or not model.strip() or not model.isprintable():
        refuse("`model` must be a name.", "model")
    if len(model) > _MOST_MODEL_CHARACTERS:
        raise PayloadTooLarge("`model` is far too long.", param="model")
    return model
