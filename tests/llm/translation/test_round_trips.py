"""What is said survives both translations, whole or in pieces."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llm.translation import chat_over_messages, messages_over_chat
from tests.llm.translation.samples import (
    LOOKUP,
    answers,
    chunks_of,
    events_of,
    exchanges,
    joined_chunks,
    joined_events,
    said,
)


def _to_messages(messages: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    body = {"messages": messages, **fields}
    return chat_over_messages.request(body, model="claude-sonnet-5", max_tokens=100)


def _merged(messages: list[dict[str, Any]]) -> list[Any]:
    """What was said, in order; neighbours of one role count as one message."""
    told: list[Any] = []
    for message in messages:
        calls = [
            (
                each["id"],
                each["function"]["name"],
                json.loads(each["function"]["arguments"]),
            )
            for each in message.get("tool_calls") or ()
        ]
        told += (
            (message["role"], message.get("tool_call_id"), thing)
            for thing in (message["content"], *calls)
            if thing is not None
        )
    return told


def _flat(told: list[Any]) -> tuple[str, list[Any]]:
    """Texts as one string: where they are parted differs between the formats."""
    texts = "".join(
        "".join(thing.split()) for *_, thing in told if isinstance(thing, str)
    )
    return texts, [entry for entry in told if not isinstance(entry[2], str)]


@given(exchanges)
def test_a_messages_request_starts_with_the_user_and_alternates(messages):
    turns = _to_messages(messages)["messages"]

    roles = [turn["role"] for turn in turns]
    assert roles == (["user", "assistant"] * len(roles))[: len(roles)]
    assert all(turn["content"] for turn in turns)


@given(exchanges)
def test_results_of_tools_come_first_in_the_turn_after_their_calls(messages):
    turns = _to_messages(messages)["messages"]

    for before, turn in zip(turns, turns[1:], strict=False):
        kinds = [block["type"] == "tool_result" for block in turn["content"]]
        assert kinds == sorted(kinds, reverse=True)
        called = {b["id"] for b in before["content"] if b["type"] == "tool_use"}
        assert called == {
            b["tool_use_id"] for b in turn["content"] if b["type"] == "tool_result"
        }


@given(st.lists(said, max_size=2), exchanges)
def test_a_chat_survives_the_way_there_and_back(system, messages):
    opened = [{"role": "user", "content": "Hello"}, *messages]
    prompts = [{"role": "system", "content": text} for text in system]

    back = messages_over_chat.request(_to_messages([*prompts, *opened]))["messages"]

    assert _flat(_merged(back)) == _flat(_merged([*prompts, *opened]))


@given(answers())
def test_an_answer_survives_the_way_there_and_back(message):
    back = messages_over_chat.answer(chat_over_messages.answer(message, created=0))

    assert [b for b in back["content"] if b["type"] == "tool_use"] == [
        b for b in message["content"] if b["type"] == "tool_use"
    ]
    for kind in ("text", "thinking"):
        assert _joined(back, kind) == _joined(message, kind)
    assert back["stop_reason"] == message["stop_reason"]
    assert {**back["usage"], **message["usage"]} == back["usage"]


def _joined(message: dict[str, Any], kind: str) -> str:
    return "".join(b[kind] for b in message["content"] if b["type"] == kind)


@given(answers(), st.integers(1, 20))
def test_events_come_to_the_same_as_the_whole_message(message, size):
    stream = chat_over_messages.Stream(created=7)
    chunks = [each for event in events_of(message, size) for each in stream.feed(event)]

    whole = chat_over_messages.answer(message, created=7)
    told, choice = joined_chunks(chunks), whole["choices"][0]
    assert told["role"] == "assistant"
    assert told["content"] == (choice["message"]["content"] or "")
    assert told["reasoning_content"] == choice["message"].get("reasoning_content", "")
    assert told["calls"] == [
        (c["id"], c["function"]["name"], json.loads(c["function"]["arguments"]))
        for c in choice["message"].get("tool_calls", [])
    ]
    assert told["finish_reason"] == choice["finish_reason"]
    assert (chunks[-1]["choices"], chunks[-1]["usage"]) == ([], whole["usage"])
    assert stream.ended


@given(answers(), st.integers(1, 20))
def test_interleaved_chunks_come_to_the_same_as_the_whole_completion(message, size):
    completion = chat_over_messages.answer(message, created=7)
    stream = messages_over_chat.Stream()

    events = [e for chunk in chunks_of(completion, size) for e in stream.feed(chunk)]

    assert joined_events([*events, *stream.end()]) == messages_over_chat.answer(
        completion
    )


@given(exchanges)
def test_a_request_is_not_changed_by_its_translation(messages):
    body = {"messages": messages, "tools": [LOOKUP], "stop": ["x"]}
    before = json.dumps(body)

    asked = chat_over_messages.request(body, model="m", max_tokens=1)
    between = json.dumps(asked)
    messages_over_chat.request(asked)

    assert json.dumps(body) == before
    assert json.dumps(asked) == between
