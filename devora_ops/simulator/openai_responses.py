"""OpenAI's responses, and the same with OpenRouter's bill."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import orjson

from devora_ops.simulator.faults import RefusalError, invalid
from devora_ops.simulator.openai_chat import (
    as_written,
    bill,
    call_id,
    openai_error,
    prompt_tokens,
)
from devora_ops.simulator.wire import (
    Answer,
    Ask,
    Choice,
    Chunk,
    Demand,
    Event,
    JSONObject,
    Step,
    Tokens,
    Tool,
    read_object,
    require_positive,
    wants_stream,
)

# What a response repeats of its request, as it stands there when nothing is said.
_REPEATED: JSONObject = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "truncation": "disabled",
}


@dataclass(frozen=True, slots=True)
class _Said:
    """One event of a stream before it has its number. chunk: what it carries."""

    kind: str
    fields: JSONObject
    chunk: Chunk | None = None
    last: bool = False

    def step(self, number: int) -> Step:
        tokens = self.chunk.tokens if self.chunk else 0
        return Step(
            (_event(self.kind, number, self.fields),),
            tokens=tokens,
            content=self.chunk is not None,
            last=self.last,
        )


class OpenAIResponses:
    """POST /v1/responses."""

    api: ClassVar[str] = "openai.responses"
    prompt_field: ClassVar[str] = "input"

    def read(self, body: bytes) -> Ask:
        value = read_object(body)
        items = _items(value)
        require_positive(value, "max_output_tokens")
        demand = Demand(
            model=value["model"],
            prompt_tokens=prompt_tokens({**value, "messages": items}),
            max_tokens=value.get("max_output_tokens"),
            tool=_forced_tool(value),
            schema=_json_schema(value),
            caching="automatic",
        )
        return Ask(value, demand, wants_stream(value))

    def usage(self, tokens: Tokens) -> JSONObject:
        usage = {
            "input_tokens": tokens.prompt,
            "input_tokens_details": {
                "cached_tokens": tokens.cached,
                "cache_write_tokens": tokens.written,
            },
            "output_tokens": tokens.completion,
            "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
            "total_tokens": tokens.prompt + tokens.completion,
        }
        if tokens.cost_usd:
            usage["cost"] = as_written(tokens.cost_usd)
        return usage

    def document(
        self, ask: Ask, answer: Answer, usage: JSONObject | None
    ) -> JSONObject:
        cut = any(choice.finish == "length" for choice in answer.choices)
        return {
            **_response(ask, answer, "incomplete" if cut else "completed"),
            "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
            "output": [
                *_reasoning(answer),
                *(_item(choice, answer) for choice in answer.choices),
            ],
            "usage": usage,
        }

    def stream(
        self, ask: Ask, answer: Answer, usage: JSONObject | None
    ) -> Iterator[Step]:
        said = _said(ask, answer, self.document(ask, answer, usage))
        return (event.step(number) for number, event in enumerate(said))

    def error(self, refusal: RefusalError) -> JSONObject:
        return openai_error(refusal)

    def error_event(self, refusal: RefusalError, position: int) -> Event:
        fields = {
            "code": refusal.fault.code,
            "message": refusal.message,
            "param": refusal.param,
        }
        return _event("error", position, fields)


class OpenRouterResponses(OpenAIResponses):
    """POST /api/v1/responses: the same, and what it cost."""

    api = "openrouter.responses"

    def usage(self, tokens: Tokens) -> JSONObject:
        return {**super().usage(tokens), **bill(tokens)}


def _event(kind: str, number: int, fields: JSONObject) -> Event:
    data = {"type": kind, "sequence_number": number, **fields}
    return Event(orjson.dumps(data), kind.encode())


def _response(ask: Ask, answer: Answer, status: str) -> JSONObject:
    """Return a response without output, as it is when a stream begins."""
    given = {name: value for name, value in ask.body.items() if value is not None}
    return {
        "id": f"resp_{answer.id}",
        "object": "response",
        "created_at": answer.created,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": ask.model,
        "output": [],
        "service_tier": "default",
        "usage": None,
        **{name: given.get(name, usual) for name, usual in _REPEATED.items()},
    }


def _reasoning(answer: Answer) -> list[JSONObject]:
    """Return what stands before an answer that was reasoned about."""
    if not answer.tokens.reasoning or not answer.choices:
        return []
    return [{"id": f"rs_{answer.id}", "type": "reasoning", "summary": []}]


def _item(choice: Choice, answer: Answer, status: str = "") -> JSONObject:
    """Return a choice as an item. status: another than its finish tells."""
    status = status or ("incomplete" if choice.finish == "length" else "completed")
    if choice.tool:
        return {
            "id": f"fc_{answer.id}",
            "type": "function_call",
            "status": status,
            "arguments": choice.text,
            "call_id": call_id(answer, 0),
            "name": choice.tool,
        }
    return {
        "id": f"msg_{answer.id}",
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": [] if status == "in_progress" else [_text_part(choice.text)],
    }


def _text_part(text: str) -> JSONObject:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _said(ask: Ask, answer: Answer, document: JSONObject) -> Iterator[_Said]:
    begun = {"response": _response(ask, answer, "in_progress")}
    yield _Said("response.created", begun)
    yield _Said("response.in_progress", begun)
    reasoning = _reasoning(answer)
    for index, item in enumerate(reasoning):
        place = {"output_index": index, "item": item}
        yield _Said("response.output_item.added", place)
        yield _Said("response.output_item.done", place)
    for index, choice in enumerate(answer.choices, start=len(reasoning)):
        item = _item(Choice((), choice.finish, choice.tool), answer, "in_progress")
        place = {"output_index": index, "item_id": item["id"]}
        said = _arguments_said if choice.tool else _text_said
        added = {"output_index": index, "item": item}
        yield _Said("response.output_item.added", added)
        yield from said(choice, place)
        done = {"output_index": index, "item": _item(choice, answer)}
        yield _Said("response.output_item.done", done)
    kind = f"response.{document['status']}"
    yield _Said(kind, {"response": document}, last=True)


def _text_said(choice: Choice, place: JSONObject) -> Iterator[_Said]:
    place = {**place, "content_index": 0}
    yield _Said("response.content_part.added", {**place, "part": _text_part("")})
    for chunk in choice.chunks:
        delta = {**place, "delta": chunk.text, "logprobs": []}
        yield _Said("response.output_text.delta", delta, chunk)
    whole = {**place, "text": choice.text, "logprobs": []}
    yield _Said("response.output_text.done", whole)
    part = _text_part(choice.text)
    yield _Said("response.content_part.done", {**place, "part": part})


def _arguments_said(choice: Choice, place: JSONObject) -> Iterator[_Said]:
    for chunk in choice.chunks:
        delta = {**place, "delta": chunk.text}
        yield _Said("response.function_call_arguments.delta", delta, chunk)
    whole = {**place, "arguments": choice.text}
    yield _Said("response.function_call_arguments.done", whole)


def _items(body: JSONObject) -> list[JSONObject]:
    """Return the instructions and the input as items.

    Raises RefusalError unless the input is text or items, of which each has a role (a
    message) or another type.
    """
    value = body.get("input")
    if not value or not isinstance(value, str | list):
        raise invalid("'input' must be a non-empty string or array.", "input")
    items = [{"role": "user", "content": value}] if isinstance(value, str) else value
    for item in items:
        kind = item.get("type", "message") if isinstance(item, dict) else None
        if not isinstance(kind, str):
            raise invalid("Every item of 'input' must be an object.", "input")
        if kind == "message" and not isinstance(item.get("role"), str):
            raise invalid("Every message needs a role.", "input")
    instructions = body.get("instructions")
    return [{"content": instructions}, *items] if instructions else items


def _forced_tool(body: JSONObject) -> Tool | None:
    """The tool that tool_choice forces; with "required" the first one."""
    choice = body.get("tool_choice")
    functions = {
        tool["name"]: tool.get("parameters") or {}
        for tool in body.get("tools") or ()
        if tool.get("type") == "function"
    }
    if isinstance(choice, dict):
        name = choice.get("name", "") if choice.get("type") == "function" else ""
    else:
        name = next(iter(functions), "") if choice == "required" else ""
    if name and name not in functions:
        raise invalid(f"Tool choice '{name}' not found in 'tools'.", "tool_choice")
    return Tool(name, functions[name]) if name else None


def _json_schema(body: JSONObject) -> dict[str, Any] | None:
    wanted = (body.get("text") or {}).get("format") or {}
    if wanted.get("type") == "json_object":
        return {}
    if wanted.get("type") == "json_schema":
        schema: dict[str, Any] = wanted.get("schema", {})
        return schema
    return None
