"""What can be asked of the gateway: each operation as a value, built without I/O.

Both clients send these; nothing about the wire is written anywhere else.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx

from devora_ops.client import _replies
from devora_ops.client._config import CALL_TIMEOUT, REST_TIMEOUT
from devora_ops.client._replies import Reply
from devora_ops.client._values import (
    UNSET,
    Answer,
    Assignment,
    ChatOptions,
    Embeddings,
    Messages,
    Model,
    Passage,
    RenderedPrompt,
    SearchMode,
    TimeoutValue,
)

T = TypeVar("T")
#: Options that steer the client; the others are fields of the body.
_STEERING = {"prompt", "model", "use_cache", "timeout", "extra_body"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Generic[T]):
    """A request, and how to read its answer."""

    path: str
    parse: Callable[[Reply], T]
    body: Mapping[str, Any] | None = None
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: TimeoutValue = UNSET
    default_timeout: httpx.Timeout = field(default_factory=lambda: REST_TIMEOUT)

    def content(self) -> bytes | None:
        """Encode the body. Raises ValueError for what JSON cannot say."""
        if self.body is None:
            return None
        try:
            text = json.dumps(self.body, ensure_ascii=False, allow_nan=False)
            return text.encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"This cannot be sent as JSON: {error}") from error


def chat(
    messages: Messages | None, options: ChatOptions, *, stream: bool = False
) -> Operation[Answer]:
    """Ask a model or a prompt for an answer."""
    return Operation(
        path="/v1/chat/completions",
        parse=_replies.answer,
        body=_chat_body(messages, options, stream=stream),
        headers=_cache_headers(use_cache=options.get("use_cache")),
        timeout=options.get("timeout", UNSET),
        default_timeout=CALL_TIMEOUT,
    )


def embed(texts: Sequence[str], *, model: str) -> Operation[Embeddings]:
    """Ask a model for one vector per text."""
    return Operation(
        path="/v1/embeddings",
        parse=_replies.embeddings,
        body={"model": model, "input": list(texts), "encoding_format": "float"},
        default_timeout=CALL_TIMEOUT,
    )


def models() -> Operation[list[Model]]:
    """Ask what may be asked for."""
    return Operation(path="/v1/models", method="GET", parse=_replies.models)


def render(
    slug: str,
    variables: Mapping[str, Any] | None,
    *,
    label: str | None,
    version: int | None,
) -> Operation[RenderedPrompt]:
    """Fill a prompt in. No label and no version is the production label."""
    if label is not None and version is not None:
        raise ValueError("Pass a label or a version, not both.")
    filled = dict(variables or {})
    pin = {"label": label, "version": version}
    return Operation(
        path=f"/api/v1/prompts/{_segment(slug, 'prompt')}/render/",
        parse=_replies.rendered(slug, filled),
        body={"variables": filled, **_without_none(pin)},
    )


def search(
    corpus: str,
    query: str,
    *,
    top_k: int,
    mode: SearchMode | None,
    filters: Mapping[str, Any] | None,
) -> Operation[list[Passage]]:
    """Search a corpus; without a mode the gateway chooses."""
    wanted = {"query": query, "top_k": top_k, "mode": mode, "filters": filters}
    return Operation(
        path=f"/api/v1/corpora/{_segment(corpus, 'corpus')}/search/",
        parse=_replies.passages,
        body=_without_none(wanted),
    )


def assign(experiment: str, unit: str) -> Operation[Assignment]:
    """Ask which variant a unit gets."""
    return Operation(
        path=f"/api/v1/experiments/{_segment(experiment, 'experiment')}/assign/",
        parse=_replies.assignment(experiment, unit),
        body={"unit": unit},
    )


def record_outcome(
    experiment: str,
    metric: str,
    value: float,
    *,
    unit: str | None,
    call_id: str | None,
) -> Operation[None]:
    """Say what came of an exposure, found by its unit or by its call."""
    if (unit is None) == (call_id is None):
        raise ValueError("Pass the unit or the call_id that the outcome belongs to.")
    whose = _without_none({"unit": unit, "call_id": call_id})
    return Operation(
        path=f"/api/v1/experiments/{_segment(experiment, 'experiment')}/outcomes/",
        parse=_replies.nothing,
        body={**whose, "metric": metric, "value": value},
    )


def _chat_body(
    messages: Messages | None, options: ChatOptions, *, stream: bool
) -> dict[str, Any]:
    model = _model_name(options.get("prompt"), options.get("model"))
    fields = {name: value for name, value in options.items() if name not in _STEERING}
    body: dict[str, Any] = {
        "model": model,
        "messages": _conversation(messages, model=model),
    }
    body |= _without_none(fields)
    if stream:
        body["stream"] = True
        # The usage chunk is where a stream tells its tokens and its cost.
        body.setdefault("stream_options", {"include_usage": True})
    return body | dict(options.get("extra_body") or {})


def _model_name(prompt: str | None, model: str | None) -> str:
    if prompt and model:
        raise ValueError("Pass a prompt or a model: a prompt's version has its own.")
    if prompt:
        return f"prompt:{prompt.removeprefix('prompt:')}"
    if model:
        return model
    raise ValueError("Pass a prompt or a model.")


def _conversation(messages: Messages | None, *, model: str) -> list[dict[str, Any]]:
    if isinstance(messages, str):
        return [{"role": "user", "content": messages}]
    if not messages and not model.startswith("prompt:"):
        raise ValueError("Pass messages: only a prompt brings its own.")
    return [dict(message) for message in messages or ()]


def _cache_headers(*, use_cache: bool | None) -> dict[str, str]:
    # Saying nothing leaves it to the version's cache policy.
    if use_cache is None:
        return {}
    return {"X-Devora-Cache-Control": "use" if use_cache else "no-cache"}


def _segment(slug: str, what: str) -> str:
    if slug.strip(".") == "":
        raise ValueError(f"This is no {what}'s slug: {slug!r}")
    return quote(slug, safe="")


def _without_none(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
