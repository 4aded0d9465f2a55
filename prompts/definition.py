"""What a version is made of, checked as one whole before it becomes immutable."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from devora_ops.common.errors import InvalidRequest, Unprocessable
from llm.gateway.validation import check_chat
from prompts import variables
from prompts.rendering import (
    TemplateError,
    TemplateInfo,
    TemplateInvalid,
    check,
    render_messages,
    texts,
)

ROLES: Final = ("system", "developer", "user", "assistant", "tool")
MAX_TOP_K: Final = 50
_MAX_JSON_BYTES = 64 * 1024
_MAX_MESSAGES_BYTES = 512 * 1024
_MAX_MESSAGES = 200
_MAX_TTL_S = 30 * 24 * 3600
_SLUG = re.compile(r"[-a-zA-Z0-9_]{1,64}")
# What a call decides, or what nobody but the operator may: never a version.
_NO_PARAMETERS = frozenset(
    {
        "api_base",
        "api_key",
        "base_url",
        "callbacks",
        "extra_headers",
        "input",
        "messages",
        "metadata",
        "mock_response",
        "model",
        "stream",
        "stream_options",
        "unit",
        "user",
        "variables",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A version's content. JSON values throughout; see PromptVersion for shapes."""

    messages: list[dict[str, Any]]
    model: str
    variables: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    response_schema: dict[str, Any] | None = None
    corpus: str = ""
    retrieval: dict[str, Any] = field(default_factory=dict)
    cache: dict[str, Any] = field(default_factory=dict)


def checked(
    given: Mapping[str, Any], *, base: Mapping[str, Any] | None = None
) -> Definition:
    """Return the definition in normal form, or raise a DevoraError that names a field.

    Fields that are not given are those of base; of its variables, those still used.
    Shape is 400, a template's trouble 422 (with extra.position), its size 413.
    """
    inherits = base is not None and "variables" not in given
    given = {**(base or {}), **given}
    messages = _messages(given.get("messages"))
    corpus = _corpus(given.get("corpus") or "")
    info = _template_info(messages)
    if corpus:
        info = _without_passages(messages, info)
    declared = variables.normalised(_or_empty(given, "variables"))
    if corpus:
        declared.pop(variables.PASSAGES, None)  # ours to fill in, not a caller's
    if inherits:
        declared = {name: declared[name] for name in declared.keys() & info.variables}
    definition = Definition(
        messages=messages,
        model=_model(given.get("model")),
        variables=variables.completed(declared, info),
        parameters=_parameters(_or_empty(given, "parameters")),
        response_schema=_schema(given.get("response_schema")),
        corpus=corpus,
        retrieval=_retrieval(_or_empty(given, "retrieval")),
        cache=_cache(given.get("cache")),
    )
    check_examples(definition)
    return definition


def check_examples(definition: Definition) -> None:
    """Render with the variables' own examples, if each has one."""
    examples = variables.examples(definition.variables)
    if examples is None:
        return
    if definition.corpus:
        examples = {variables.PASSAGES: "", **examples}
    try:
        render_messages(definition.messages, examples)
    except TemplateError as error:
        message = f"It does not render with its own examples: {error.message}"
        raise TemplateInvalid(
            message, code="examples_failed", param="variables", extra=error.extra
        ) from error


def _or_empty(given: Mapping[str, Any], name: str) -> Any:
    return {} if given.get(name) is None else given[name]


def _messages(given: Any) -> list[dict[str, Any]]:
    if not isinstance(given, list) or not given:
        raise _invalid("messages", "A list of at least one message is needed.")
    if len(given) > _MAX_MESSAGES:
        raise _invalid("messages", f"At most {_MAX_MESSAGES} messages.")
    _check_size("messages", given, _MAX_MESSAGES_BYTES)
    for number, message in enumerate(given):
        _check_message(f"messages.{number}", message)
    return given


def _check_message(place: str, message: Any) -> None:
    if not isinstance(message, dict):
        raise _invalid(place, "A message is an object with role and content.")
    if message.get("role") not in ROLES:
        raise _invalid(f"{place}.role", f"The role is one of {', '.join(ROLES)}.")
    content = message.get("content")
    if isinstance(content, list):
        if not content or not all(isinstance(part, dict) for part in content):
            raise _invalid(f"{place}.content", "Content parts are objects.")
    elif not isinstance(content, str) and not message.get("tool_calls"):
        raise _invalid(f"{place}.content", "A text or a list of parts is needed.")


def _template_info(messages: list[dict[str, Any]]) -> TemplateInfo:
    info = TemplateInfo(())
    for number, message in enumerate(messages):
        for source in texts(message):
            try:
                info |= check(source)
            except TemplateError as error:
                error.param = f"messages.{number}.content"
                raise
    return info


def _without_passages(
    messages: list[dict[str, Any]], info: TemplateInfo
) -> TemplateInfo:
    """Leave out the name that stands for retrieved passages, where it may stand."""
    for number, message in enumerate(messages):
        used = {name for text in texts(message) for name in check(text).variables}
        if variables.PASSAGES in used and message["role"] != "user":
            raise Unprocessable(
                "Passages are written by others: put {{ context }} into a user message.",
                code="context_not_user",
                param=f"messages.{number}.content",
            )
    names = tuple(name for name in info.variables if name != variables.PASSAGES)
    return TemplateInfo(names, info.optional - {variables.PASSAGES})


def _model(given: Any) -> str:
    if not isinstance(given, str) or not given.strip():
        raise _invalid("model", "A route or provider/model is needed.", "required")
    model = given.strip()
    if len(model) > 200 or not model.isprintable() or model.startswith("prompt:"):
        raise _invalid("model", "This is no name of a route or a model.")
    return model


def _parameters(given: Any) -> dict[str, Any]:
    parameters = _object("parameters", given)
    if refused := _NO_PARAMETERS & parameters.keys():
        name = sorted(refused)[0]
        raise _invalid(f"parameters.{name}", "A version cannot set this.")
    try:
        check_chat({**parameters, "messages": [{"role": "user", "content": "?"}]})
    except InvalidRequest as error:  # as every call of the version would be
        error.param = f"parameters.{error.param}"
        raise
    return parameters


def _schema(given: Any) -> dict[str, Any] | None:
    return None if given is None else _object("response_schema", given)


def _corpus(given: Any) -> str:
    if given == "":
        return ""
    if not isinstance(given, str) or not _SLUG.fullmatch(given):
        raise _invalid("corpus", "The slug of a corpus is needed.")
    return given


def _retrieval(given: Any) -> dict[str, Any]:
    retrieval = _object("retrieval", given)
    if retrieval.keys() - {"top_k"}:
        raise _invalid("retrieval", "Only top_k can be set.")
    top_k = retrieval.get("top_k", 5)
    if type(top_k) is not int or not 1 <= top_k <= MAX_TOP_K:
        raise _invalid("retrieval.top_k", f"A whole number from 1 to {MAX_TOP_K}.")
    return {"top_k": top_k}


def _cache(given: Any) -> dict[str, Any]:
    if given is None:
        return {}
    if isinstance(given, bool):
        return {"enabled": given}
    policy = _object("cache", given)
    if policy.keys() - {"enabled", "ttl_s"}:
        raise _invalid("cache", "Only enabled and ttl_s can be set.")
    if not isinstance(policy.get("enabled", True), bool):
        raise _invalid("cache.enabled", "true or false.")
    ttl_s = policy.get("ttl_s", 1)
    if type(ttl_s) is not int or not 1 <= ttl_s <= _MAX_TTL_S:
        raise _invalid("cache.ttl_s", f"Seconds from 1 to {_MAX_TTL_S}.")
    return dict(policy)


def _object(name: str, given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise _invalid(name, "An object is needed.")
    _check_size(name, given, _MAX_JSON_BYTES)
    return given


def _check_size(name: str, given: Any, limit: int) -> None:
    try:
        size = len(orjson.dumps(given))
    except orjson.JSONEncodeError as error:
        raise _invalid(name, "This is not JSON.") from error
    if size > limit:
        raise _invalid(name, f"At most {limit} bytes.", "max_length")


def _invalid(param: str, message: str, code: str = "invalid") -> InvalidRequest:
    return InvalidRequest(message, code=code, param=param)
