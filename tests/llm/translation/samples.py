"""Conversations, answers and streams to translate, and the strategies that make them."""

import json
from typing import Any

from hypothesis import strategies as st

LOOKUP = {
    "type": "function",
    "function": {
        "name": "lookup",
        "description": "Looks up",
        "parameters": {"type": "object", "properties": {"id": {"type": "integer"}}},
    },
}
PNG = "data:image/png;base64,iVBORw0KGgo="

said = st.text(min_size=1, max_size=40).filter(lambda text: text.strip() == text != "")
names = st.from_regex(r"[a-z_]{1,12}", fullmatch=True)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31) | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
inputs = st.dictionaries(st.text(max_size=8), values, max_size=3)
counts = st.integers(0, 100_000)


def call(id: str, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {"id": id, "type": "function", "function": function}


@st.composite
def tool_rounds(draw) -> list[dict[str, Any]]:
    """An assistant that calls tools, and every result in its place."""
    number = draw(st.integers(1, 3))
    prefix = draw(st.from_regex(r"call_[a-zA-Z0-9]{4,8}", fullmatch=True))
    calls = [call(f"{prefix}{i}", draw(names), draw(inputs)) for i in range(number)]
    content = draw(st.none() | said)
    return [
        {"role": "assistant", "content": content, "tool_calls": calls},
        *(
            {"role": "tool", "tool_call_id": each["id"], "content": draw(said)}
            for each in calls
        ),
    ]


def speech(role: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    return said.map(lambda text: [{"role": role, "content": text}])


exchanges = st.lists(
    st.one_of(speech("user"), speech("assistant"), tool_rounds()),
    min_size=1,
    max_size=6,
).map(lambda rounds: [message for messages in rounds for message in messages])

blocks = st.one_of(
    said.map(lambda text: {"type": "text", "text": text}),
    said.map(lambda text: {"type": "thinking", "thinking": text, "signature": "s"}),
    st.builds(
        lambda key, name, given: {
            "type": "tool_use",
            "id": f"toolu_{key}",
            "name": name,
            "input": given,
        },
        st.integers(0, 10**9),
        names,
        inputs,
    ),
)


@st.composite
def answers(draw) -> dict[str, Any]:
    """A message as Anthropic returns it."""
    content = draw(st.lists(blocks, max_size=5))
    calls = any(block["type"] == "tool_use" for block in content)
    return {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-5",
        "content": content,
        "stop_reason": "tool_use" if calls else "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": draw(counts),
            "cache_read_input_tokens": draw(counts),
            "cache_creation_input_tokens": draw(counts),
            "output_tokens": draw(counts),
        },
    }


def events_of(message: dict[str, Any], size: int) -> list[dict[str, Any]]:
    """Cut a message into the events of its stream; size: characters in a piece."""
    usage = {**message["usage"], "output_tokens": 1}
    start = {**message, "content": [], "stop_reason": None, "usage": usage}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": start}]
    for index, block in enumerate(message["content"]):
        kind, empty, pieces = _pieces(block, size)
        head = {"type": "content_block_start", "index": index, "content_block": empty}
        events += [head, {"type": "ping"}]
        for piece in pieces:
            delta = {"type": f"{kind}_delta", **piece}
            events.append(
                {"type": "content_block_delta", "index": index, "delta": delta}
            )
        events.append({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    events.append({"type": "message_delta", "delta": delta, "usage": message["usage"]})
    return [*events, {"type": "message_stop"}]


def _pieces(block: dict[str, Any], size: int) -> tuple[str, dict[str, Any], list[Any]]:
    if block["type"] == "tool_use":
        text = json.dumps(block["input"]) if block["input"] else ""
        name, kind, empty = "partial_json", "input_json", {**block, "input": {}}
    else:
        name = kind = block["type"]
        text, empty = block[name], {**block, name: ""}
    cuts = range(0, len(text), size)
    return kind, empty, [{name: text[at : at + size]} for at in cuts]


def chunks_of(completion: dict[str, Any], size: int) -> list[dict[str, Any]]:
    """Cut a completion into chunks; its calls' arguments arrive in turn."""
    head = {key: completion[key] for key in ("id", "created", "model")}
    head["object"] = "chat.completion.chunk"
    choice = completion["choices"][0]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    for name in ("reasoning_content", "content"):
        text = choice["message"].get(name) or ""
        deltas += [{name: text[at : at + size]} for at in range(0, len(text), size)]
    deltas += _call_deltas(choice["message"].get("tool_calls") or [], size)
    parts = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    parts.append({"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]})
    last = {**head, "choices": [], "usage": completion["usage"]}
    return [*({**head, "choices": [part]} for part in parts), last]


def _call_deltas(calls: list[dict[str, Any]], size: int) -> list[dict[str, Any]]:
    deltas = []
    for index, each in enumerate(calls):
        function = {**each["function"], "arguments": ""}
        deltas.append({"tool_calls": [{**each, "index": index, "function": function}]})
    longest = max((len(each["function"]["arguments"]) for each in calls), default=0)
    for at in range(0, longest, size):
        for index, each in enumerate(calls):
            piece = each["function"]["arguments"][at : at + size]
            if piece:
                part = {"index": index, "function": {"arguments": piece}}
                deltas.append({"tool_calls": [part]})
    return deltas


def joined_chunks(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """Put chunks together as a chat client does."""
    message: dict[str, Any] = {"role": "", "content": "", "reasoning_content": ""}
    calls: dict[int, dict[str, Any]] = {}
    finish = None
    for choice in (choice for chunk in chunks for choice in chunk["choices"]):
        delta, finish = choice["delta"], choice["finish_reason"] or finish
        for name in message:
            message[name] += delta.get(name) or ""
        for piece in delta.get("tool_calls") or ():
            known = calls.setdefault(piece["index"], {"id": "", "name": "", "text": ""})
            known["id"] += piece.get("id", "")
            known["name"] += piece["function"].get("name", "")
            known["text"] += piece["function"]["arguments"]
    found = [
        (each["id"], each["name"], json.loads(each["text"])) for each in calls.values()
    ]
    return {**message, "calls": found, "finish_reason": finish}


def joined_events(events: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """Put events together as a messages client does, one block at a time."""
    assert all(name == data["type"] for name, data in events)
    assert (events[0][0], events[-1][0]) == ("message_start", "message_stop")
    message = {**events[0][1]["message"]}
    content: list[dict[str, Any]] = []
    is_open, text = False, ""
    for name, data in events[1:]:
        if name == "content_block_start":
            assert (is_open, data["index"]) == (False, len(content))
            content.append({**data["content_block"]})
            is_open, text = True, ""
        elif name == "content_block_delta":
            assert (is_open, data["index"]) == (True, len(content) - 1)
            text += next(v for k, v in data["delta"].items() if k != "type")
        elif name == "content_block_stop":
            assert (is_open, data["index"]) == (True, len(content) - 1)
            is_open = False
            kind = content[-1]["type"]
            if kind == "tool_use":
                content[-1]["input"] = json.loads(text or "{}")
            else:
                content[-1][kind] = text
        elif name == "message_delta":
            message |= data["delta"]
            message["usage"] = data["usage"]
    assert not is_open
    return {**message, "content": content}
