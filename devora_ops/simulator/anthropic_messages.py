"""Anthropic's messages."""

from collections.abc import Iterator
from typing import Any, ClassVar

import orjson

from devora_ops.simulator.faults import RefusalError, invalid
from devora_ops.simulator.openai_chat import prompt_tokens
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
    count_tokens,
    read_object,
    require_messages,
)

_FINISH = {"stop": "end_turn", "length": "max_tokens", "tool": "tool_use"}
_PING = Step((Event(b'{"type":"ping"}', b"ping"),))
_STOP = Step((Event(b'{"type":"message_stop"}', b"message_stop"),), last=True)


class AnthropicMessages:
    """POST /v1/messages."""

    api: ClassVar[str] = "anthropic.messages"
    prompt_field: ClassVar[str] = "messages"

    def read(self, body: bytes) -> Ask:
        value = read_object(body)
        require_messages(value)
        limit = value.get("max_tokens")
        if not isinstance(limit, int) or limit < 1:
            raise invalid("max_tokens: a positive integer is required", "max_tokens")
        explicit = b'"cache_control"' in body
        demand = Demand(
            model=value["model"],
            prompt_tokens=prompt_tokens(value) + count_tokens(value.get("system")),
            max_tokens=limit,
            tool=_forced_tool(value),
            schema=_output_schema(value),
            caching="explicit" if explicit else "no",
        )
        return Ask(value, demand, value.get("stream") is True)

    def usage(self, tokens: Tokens) -> JSONObject:
        """input_tokens leaves out what was read from or written to the cache."""
        writes = {
            "ephemeral_5m_input_tokens": tokens.written,
            "ephemeral_1h_input_tokens": 0,
        }
        return {
            "input_tokens": tokens.prompt - tokens.cached - tokens.written,
            "cache_creation_input_tokens": tokens.written,
            "cache_read_input_tokens": tokens.cached,
            "cache_creation": writes,
            "output_tokens": tokens.completion,
            "service_tier": "standard",
        }

    def document(
        self, ask: Ask, answer: Answer, usage: JSONObject | None
    ) -> JSONObject:
        blocks = [_block(choice, answer) for choice in answer.choices]
        reason = _FINISH[answer.choices[0].finish] if answer.choices else "end_turn"
        return _message(ask, answer, blocks, reason, usage)

    def stream(
        self, ask: Ask, answer: Answer, usage: JSONObject | None
    ) -> Iterator[Step]:
        first = None if usage is None else {**usage, "output_tokens": 1}
        message = _message(ask, answer, [], None, first)
        yield _step("message_start", message=message)
        reason = "end_turn"
        for index, choice in enumerate(answer.choices):
            empty = _block(Choice((), "stop", choice.tool), answer)
            yield _step("content_block_start", index=index, content_block=empty)
            yield _PING
            yield from (_delta_step(choice, index, chunk) for chunk in choice.chunks)
            yield _step("content_block_stop", index=index)
            reason = _FINISH[choice.finish]
        delta = {"stop_reason": reason, "stop_sequence": None}
        yield _step("message_delta", delta=delta, **_last_usage(usage))
        yield _STOP

    def error(self, refusal: RefusalError) -> JSONObject:
        kind = refusal.fault.anthropic_type
        error = {"type": kind, "message": refusal.message}
        return {"type": "error", "error": error, "request_id": "req_simulated"}

    def error_event(self, refusal: RefusalError, position: int) -> Event:
        return Event(orjson.dumps(self.error(refusal)), b"error")


def _message(
    ask: Ask,
    answer: Answer,
    content: list[JSONObject],
    reason: str | None,
    usage: JSONObject | None,
) -> JSONObject:
    message = {
        "id": f"msg_{answer.id}",
        "type": "message",
        "role": "assistant",
        "model": ask.model,
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
    }
    return message if usage is None else {**message, "usage": usage}


def _block(choice: Choice, answer: Answer) -> JSONObject:
    if not choice.tool:
        return {"type": "text", "text": choice.text}
    block = {"type": "tool_use", "id": f"toolu_{answer.id}", "name": choice.tool}
    return {**block, "input": _arguments(choice.text)}


def _arguments(text: str) -> Any:
    """A JSON reply has the arguments as a value; broken ones stay a string."""
    try:
        return orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return text


def _step(kind: str, **fields: Any) -> Step:
    return Step((Event(orjson.dumps({"type": kind, **fields}), kind.encode()),))


def _delta_step(choice: Choice, index: int, chunk: Chunk) -> Step:
    if choice.tool:
        delta = {"type": "input_json_delta", "partial_json": chunk.text}
    else:
        delta = {"type": "text_delta", "text": chunk.text}
    data = {"type": "content_block_delta", "index": index, "delta": delta}
    event = Event(orjson.dumps(data), b"content_block_delta")
    return Step((event,), tokens=chunk.tokens, content=True)


def _last_usage(usage: JSONObject | None) -> JSONObject:
    """message_delta's usage is cumulative and has only the counts."""
    if usage is None:
        return {}
    counts = {name: value for name, value in usage.items() if name.endswith("_tokens")}
    return {"usage": counts}


def _forced_tool(body: JSONObject) -> Tool | None:
    choice = body.get("tool_choice") or {}
    schemas = {
        tool["name"]: tool.get("input_schema", {})
        for tool in body.get("tools") or ()
        if isinstance(tool.get("name"), str)
    }
    name = choice.get("name", "") if choice.get("type") == "tool" else ""
    if choice.get("type") == "any":
        name = next(iter(schemas), "")
    if name and name not in schemas:
        raise invalid(f"Tool '{name}' not found in provided tools", "tool_choice")
    return Tool(name, schemas[name]) if name else None


def _output_schema(body: JSONObject) -> dict[str, Any] | None:
    config = body.get("output_config") or {}
    wanted = config.get("format") or body.get("output_format") or {}
    if wanted.get("type") != "json_schema":
        return None
    schema: dict[str, Any] = wanted.get("schema", {})
    return schema
