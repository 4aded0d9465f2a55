"""From `prompt:<slug>` to a body that can be routed: experiments, prompts, retrieval.

The floors below know nothing of each other's snapshots; the gateway knows none of
them. It gets one callable, built here.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from devora_ops.common.errors import InvalidRequest
from devora_ops.common.snapshots import Snapshot
from devora_ops.common.strict_json import StrictJSONError, loads
from experiments.runtime import Choice, ExperimentsSnapshot, choose
from llm.gateway.expansion import PROMPT_PREFIX
from prompts.runtime import (
    PromptsSnapshot,
    PromptVersionSnapshot,
    expand_version,
    find,
    labelled,
    parse_reference,
    question,
    render_version,
    version,
)

MAX_UNIT: Final = 256
_OURS = ("variables", "unit")

Retrieve = Callable[[str, str, int], Awaitable[str]]
"""(corpus, query, top_k) → the passages as text, ready to be put into a message."""

Expose = Callable[[Choice], Awaitable[None]]
"""Remembers that a unit saw a variant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expanded:
    """A body ready for routing, and what is recorded with the call.

    experiment and variant are empty outside one. max_tokens: what the version sets,
    None when it sets nothing. cache: {enabled, ttl_s} as far as the version says.
    origin: the version, and the move of the label that led to it: cached answers hang
    on it.
    """

    body: dict[str, Any]
    prompt: str
    prompt_version: int
    experiment: str = ""
    variant: str = ""
    max_tokens: int | None = None
    cache: Mapping[str, Any] = field(default_factory=dict)
    origin: str = ""


@dataclass(frozen=True, slots=True)
class _Asked:
    """The caller's body without the fields that are meant for us."""

    body: dict[str, Any]
    variables: dict[str, Any]
    unit: str
    names_unit: bool


class Expander:
    """What the gateway calls for every request, before it looks for a route."""

    def __init__(
        self,
        *,
        prompts: Snapshot[PromptsSnapshot],
        experiments: Snapshot[ExperimentsSnapshot],
        retrieve: Retrieve,
        expose: Expose,
    ) -> None:
        self._prompts = prompts
        self._experiments = experiments
        self._retrieve = retrieve
        self._expose = expose

    async def __call__(
        self, model: str, body: Mapping[str, Any], request_id: str
    ) -> Expanded:
        """Return the expanded request."""
        asked = _read(body, request_id)
        chosen, choice, move = self._choose(
            model.removeprefix(PROMPT_PREFIX), asked.unit
        )
        rendered = render_version(chosen, asked.variables)
        context = await self._context(chosen, rendered, asked.body)
        if context and chosen.places_passages:
            rendered = render_version(chosen, asked.variables, context=context)
            context = ""  # else it would be said twice
        if choice and asked.names_unit:  # else every call would be a unit of its own
            await self._expose(choice)
        return Expanded(
            body=expand_version(
                chosen, rendered=rendered, body=asked.body, context=context
            ),
            prompt=chosen.prompt,
            prompt_version=chosen.number,
            experiment=choice.experiment if choice else "",
            variant=choice.variant if choice else "",
            max_tokens=chosen.max_tokens,
            cache=chosen.cache,
            origin=f"{chosen.prompt}@{chosen.number} {move}",
        )

    def _choose(
        self, reference: str, unit: str
    ) -> tuple[PromptVersionSnapshot, Choice | None, str]:
        asked = parse_reference(reference)
        prompt = find(self._prompts.current, asked.slug)
        if asked.number is not None:
            return version(prompt, asked.number), None, ""
        choice = choose(self._experiments.current, asked.slug, unit)
        if choice is None:
            move = prompt.moves.get(asked.label, "")
            return labelled(prompt, asked.label), None, move
        if asked.explicit:
            labelled(prompt, asked.label)  # a label that is not there stays a mistake
        return version(prompt, choice.version), choice, ""

    async def _context(
        self,
        chosen: PromptVersionSnapshot,
        rendered: list[dict[str, Any]],
        body: Mapping[str, Any],
    ) -> str:
        if not chosen.corpus:
            return ""
        query = question([*rendered, *(body.get("messages") or ())])
        if not query:
            return ""
        return await self._retrieve(chosen.corpus, query, chosen.top_k)


def _read(body: Mapping[str, Any], request_id: str) -> _Asked:
    rest = {name: value for name, value in body.items() if name not in _OURS}
    _check_messages(rest.get("messages"))
    supplied = body.get("variables")
    variables = _from_metadata(rest) | _object({} if supplied is None else supplied)
    unit = _unit(body)
    return _Asked(rest, variables, unit or request_id, bool(unit))


def _check_messages(messages: Any) -> None:
    if messages is None:
        return
    if not isinstance(messages, list) or not all(isinstance(m, dict) for m in messages):
        raise _invalid("messages", "A list of messages is needed.")


def _from_metadata(rest: dict[str, Any]) -> dict[str, Any]:
    """Take `metadata.variables`, a JSON text, out of the body."""
    metadata = rest.get("metadata")
    if not isinstance(metadata, dict) or "variables" not in metadata:
        return {}
    kept = {name: value for name, value in metadata.items() if name != "variables"}
    rest.pop("metadata")
    if kept:
        rest["metadata"] = kept
    return _parsed(metadata["variables"])


def _parsed(text: Any) -> dict[str, Any]:
    if not isinstance(text, str):
        raise _invalid("metadata.variables", "A JSON object as a text is needed.")
    try:
        return _object(loads(text.encode()), "metadata.variables")
    except (StrictJSONError, UnicodeEncodeError) as error:
        raise _invalid("metadata.variables", "This text is not JSON.") from error


def _object(given: Any, param: str = "variables") -> dict[str, Any]:
    if not isinstance(given, dict):
        raise _invalid(param, "An object of names and values is needed.")
    return given


def _unit(body: Mapping[str, Any]) -> str:
    unit = body.get("unit")
    if unit is not None:
        if not isinstance(unit, str) or not 1 <= len(unit) <= MAX_UNIT:
            raise _invalid("unit", f"A text of 1 to {MAX_UNIT} characters is needed.")
        return unit
    metadata = body.get("metadata")
    anthropic = metadata.get("user_id") if isinstance(metadata, dict) else None
    user = body.get("user") or anthropic
    return user if isinstance(user, str) else ""


def _invalid(param: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, code="invalid", param=param)
