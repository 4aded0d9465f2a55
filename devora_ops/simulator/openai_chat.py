"""OpenAI's chat completions, and the same with OpenRouter's additions."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, ClassVar

import orjson

from devora_ops.simulator.faults import RefusalError, invalid
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
    require_positive,
    wants_stream,
)

_FINISH = {"stop": "stop", "length": "length", "tool": "tool_calls"}
_FINGERPRINT = "fp_50cad350e4"
_PER_MESSAGE = 4
_PER_REPLY = 3
_USD_PER_INPUT = Decimal("0.000001")
_USD_PER_OUTPUT = Decimal("0.000005")
_FEE = Decimal("0.05")


class OpenAIChat:
    """POST /v1/chat/completions."""

    api: ClassVar[str] = "openai.chat"
    prompt_field: ClassVar[str] = "messages"
    id_prefix: ClassVar[str] = "chatcmpl-"

    def read(self, body: bytes) -> Ask:
        value = read_object(body)
        require_messages(value)
        for name in ("max_tokens", "max_completion_tokens", "n"):
            require_positive(value, name)
        return Ask(value, self._demand(value), wants_stream(value))

    def _demand(self, body: JSONObject) -> Demand:
        return Demand(
            model=body["model"],
            prompt_tokens=prompt_tokens(body),
            max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
            choices=body.get("n") or 1,
            tool=_forced_tool(body),
            schema=_json_schema(body),
            caching="automatic",
        )

    def usage(self, tokens: Tokens) -> JSONObject:
        usage = {
            "prompt_tokens": tokens.prompt,
            "completion_tokens": tokens.completion,
            "total_tokens": tokens.prompt + tokens.completion,
            "prompt_tokens_details": _prompt_details(tokens),
            "completion_tokens_details": {
                "reasoning_tokens": tokens.reasoning,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }
        if tokens.cost_usd:
            usage["cost"] = as_written(tokens.cost_usd)
        return usage

    def document(
        self, ask: Ask, answer: Answer, usage: JSONObject | None
    ) -> JSONObject:
        choices = [
            {
                "index": index,
                "message": self.message(choice, call_id(answer, index)),
                "logprobs": None,
                "finish_reason": _FINISH[choice.finish],
            }
            for index, choice in enumerate(answer.choices)
        ]
        document = {**self.head(ask, answer, "chat.completion"), "choices": choices}
        if usage is not None:
            document["usage"] = usage
        return document

    def stream(
        self, ask: Ask, answer: Answer, usage: JSONObject | None
    ) -> Iterator[Step]:
        wanted = self.tells_usage(ask.body)
        head = self.head(ask, answer, "chat.completion.chunk")
        tail = {"usage": None} if wanted else {}

        def step(choices: list[JSONObject], chunk: Chunk | None = None) -> Step:
            event = Event(orjson.dumps({**head, "choices": choices, **tail}))
            tokens = chunk.tokens if chunk else 0
            return Step((event,), tokens=tokens, content=chunk is not None)

        yield from self.greeting()
        if not answer.choices:
            yield step([])
        for index, choice in enumerate(answer.choices):
            yield step([_opening(choice, index, call_id(answer, index))])
        for index, chunk in _interleaved(answer.choices):
            part = _part(index, _delta(answer.choices[index], chunk))
            yield step([part], chunk)
        for index, choice in enumerate(answer.choices):
            yield step([_part(index, {}, _FINISH[choice.finish])])
        if wanted and usage is not None:
            last = {**head, "choices": self.last_choices(), "usage": usage}
            yield Step((Event(orjson.dumps(last)),))
        yield Step((Event(b"[DONE]"),), last=True)

    def error(self, refusal: RefusalError) -> JSONObject:
        return openai_error(refusal)

    def error_event(self, refusal: RefusalError, position: int) -> Event:
        return Event(orjson.dumps(openai_error(refusal)))

    def head(self, ask: Ask, answer: Answer, kind: str) -> JSONObject:
        return {
            "id": f"{self.id_prefix}{answer.id}",
            "object": kind,
            "created": answer.created,
            "model": ask.model,
            "service_tier": "default",
            "system_fingerprint": _FINGERPRINT,
        }

    def message(self, choice: Choice, tool_call_id: str) -> JSONObject:
        message: JSONObject = {
            "role": "assistant",
            "content": None if choice.tool else choice.text,
            "refusal": None,
            "annotations": [],
        }
        if choice.tool:
            function = {"name": choice.tool, "arguments": choice.text}
            call = {"id": tool_call_id, "type": "function", "function": function}
            message["tool_calls"] = [call]
        return message

    def greeting(self) -> Iterator[Step]:
        """What comes before the first chunk of a stream."""
        return iter(())

    def tells_usage(self, body: JSONObject) -> bool:
        """Whether a stream ends with its usage."""
        return bool((body.get("stream_options") or {}).get("include_usage"))

    def last_choices(self) -> list[JSONObject]:
        """What the chunk that tells the usage has for choices."""
        return []


class OpenRouterChat(OpenAIChat):
    """POST /api/v1/chat/completions: what it cost, who served, comments meanwhile."""

    api = "openrouter.chat"
    id_prefix = "gen-"

    def usage(self, tokens: Tokens) -> JSONObject:
        return {**super().usage(tokens), **bill(tokens)}

    def tells_usage(self, body: JSONObject) -> bool:
        return True  # whatever a request says

    def last_choices(self) -> list[JSONObject]:
        return [_part(0, {"role": "assistant", "content": ""})]

    def head(self, ask: Ask, answer: Answer, kind: str) -> JSONObject:
        provider = ask.model.partition("/")[0].title()
        return {**super().head(ask, answer, kind), "provider": provider}

    def greeting(self) -> Iterator[Step]:
        yield Step((Event(b"OPENROUTER PROCESSING", comment=True),))


def bill(tokens: Tokens) -> JSONObject:
    """Return what OpenRouter says of money.

    With its own key a call is told what it cost upstream too; with the customer's, the
    cost is a fee of a twentieth, and the rest goes to the provider.
    """
    worked = tokens.prompt * _USD_PER_INPUT + tokens.completion * _USD_PER_OUTPUT
    upstream, cost = tokens.byok_usd, tokens.cost_usd
    if upstream:
        cost = cost or f"{Decimal(upstream) * _FEE:f}"
    cost = cost or f"{worked:f}"
    return {
        "cost": as_written(cost),
        "is_byok": bool(upstream),
        "cost_details": {"upstream_inference_cost": as_written(upstream or cost)},
    }


def as_written(amount: str) -> orjson.Fragment:
    """Return what is written as a JSON number, digit for digit."""
    return orjson.Fragment(amount)


def openai_error(refusal: RefusalError) -> JSONObject:
    error = {
        "message": refusal.message,
        "type": refusal.fault.openai_type,
        "param": refusal.param,
        "code": refusal.fault.code,
    }
    return {"error": error}


def prompt_tokens(body: JSONObject) -> int:
    """Return the estimated tokens of the messages and the tools' definitions."""
    messages = body["messages"]
    total = sum(map(count_tokens, messages)) + _PER_MESSAGE * len(messages)
    tools = body.get("tools")
    if tools:
        total += count_tokens(orjson.dumps(tools).decode())
    return total + _PER_REPLY


def call_id(answer: Answer, index: int) -> str:
    return f"call_{answer.id[:20]}{index}"


def _forced_tool(body: JSONObject) -> Tool | None:
    """The tool that tool_choice forces; with "required" the first one."""
    choice = body.get("tool_choice")
    functions = {
        tool["function"]["name"]: tool["function"].get("parameters", {})
        for tool in body.get("tools") or ()
        if tool.get("type") == "function"
    }
    if isinstance(choice, dict):
        name = choice.get("function", {}).get("name", "")
    else:
        name = next(iter(functions), "") if choice == "required" else ""
    if name and name not in functions:
        raise invalid(f"Tool choice '{name}' not found in 'tools'.", "tool_choice")
    return Tool(name, functions[name]) if name else None


def _json_schema(body: JSONObject) -> dict[str, Any] | None:
    wanted = body.get("response_format") or {}
    if wanted.get("type") == "json_object":
        return {}
    if wanted.get("type") == "json_schema":
        schema: dict[str, Any] = wanted.get("json_schema", {}).get("schema", {})
        return schema
    return None


def _prompt_details(tokens: Tokens) -> JSONObject:
    details = {"cached_tokens": tokens.cached, "audio_tokens": 0}
    if tokens.written:
        details["cache_write_tokens"] = tokens.written
    return details


def _part(index: int, delta: JSONObject, finish: str | None = None) -> JSONObject:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}


def _opening(choice: Choice, index: int, tool_call_id: str) -> JSONObject:
    delta: JSONObject = {"role": "assistant", "content": "", "refusal": None}
    if choice.tool:
        function = {"name": choice.tool, "arguments": ""}
        call = {"index": 0, "id": tool_call_id, "type": "function"}
        delta["content"] = None
        delta["tool_calls"] = [{**call, "function": function}]
    return _part(index, delta)


def _delta(choice: Choice, chunk: Chunk) -> JSONObject:
    if choice.tool:
        return {"tool_calls": [{"index": 0, "function": {"arguments": chunk.text}}]}
    return {"content": chunk.text}


def _interleaved(choices: tuple[Choice, ...]) -> Iterator[tuple[int, Chunk]]:
    """Take the choices' chunks in turn, as a stream with n > 1 does."""
    longest = max((len(choice.chunks) for choice in choices), default=0)
    for position in range(longest):
        for index, choice in enumerate(choices):
            if position < len(choice.chunks):
                yield index, choice.chunks[position]
