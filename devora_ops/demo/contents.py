"""What was said in the last days of the history, as the gateway would have kept it."""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from costs.facts import CallFact, Settlement
from devora_ops.demo.prompts import DemoPrompt
from devora_ops.simulator.history import SimulatedCall
from prompts.rendering import render_messages
from prompts.variables import fill, normalised

COPY_CONTENTS: Final = "COPY llm_content (call_id, request, response) FROM STDIN"
KEPT: Final = dt.timedelta(days=3)
_ANSWERED = ("ok", "cached")

Row = tuple[object, str, str]


class Contents:
    """Makes bodies from simulated calls; each question is rendered once."""

    def __init__(
        self, prompts: Mapping[str, DemoPrompt], *, since: dt.datetime
    ) -> None:
        self._since = since
        self._prompts = prompts
        self._contents = {name: prompt.contents() for name, prompt in prompts.items()}
        self._rendered: dict[tuple[str, int, str], list[dict[str, Any]]] = {}

    def row(self, call: SimulatedCall, settlement: Settlement) -> Row | None:
        """Return the row of a call, or None for one that is older or had no answer."""
        fact = settlement.call
        if fact is None or call.at < self._since or call.status not in _ANSWERED:
            return None
        request = self._request(call, fact.who.prompt_version)
        response = _streamed(call) if call.stream else _whole(call, fact)
        return fact.id, _json(request), _json(response)

    def _request(self, call: SimulatedCall, number: int) -> dict[str, Any]:
        content = self._contents[call.prompt][number - 1]
        streaming = {"stream": True, "stream_options": {"include_usage": True}}
        return {
            "messages": self._messages(call, number),
            **content["parameters"],
            **({"user": call.user} if call.user else {}),
            **(streaming if call.stream else {}),
            "model": call.model.partition("/")[2],
        }

    def _messages(self, call: SimulatedCall, number: int) -> list[dict[str, Any]]:
        key = (call.prompt, number, call.prompt_text)
        if key not in self._rendered:
            content = self._contents[call.prompt][number - 1]
            asked = self._prompts[call.prompt].variables(call.prompt_text)
            values = fill(normalised(content["variables"]), asked)
            self._rendered[key] = render_messages(content["messages"], values)
        return self._rendered[key]


def _streamed(call: SimulatedCall) -> dict[str, Any]:
    return {"content": call.answer_text}


def _whole(call: SimulatedCall, fact: CallFact) -> dict[str, Any]:
    say: Callable[[SimulatedCall], str] = (
        _ticket if call.prompt == "ticket-summary" else _prose
    )
    message = {"role": "assistant", "content": say(call)}
    return {
        "id": f"chatcmpl-{fact.request_id[:24]}",
        "object": "chat.completion",
        "created": int(call.at.timestamp()),
        "model": call.model.partition("/")[2],
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": call.input_tokens,
            "completion_tokens": call.output_tokens,
            "total_tokens": call.input_tokens + call.output_tokens,
        },
    }


def _prose(call: SimulatedCall) -> str:
    return call.answer_text


def _ticket(call: SimulatedCall) -> str:
    """Answer as the prompt's response schema asks for."""
    first, _, rest = call.answer_text.partition(". ")
    return _json(
        {
            "title": call.prompt_text[:60],
            "summary": call.answer_text,
            "priority": "normal",
            "next_step": rest.partition(". ")[0] or first,
        }
    )


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
