"""Answers that are given again: the same to the letter, to nobody who asked otherwise."""

import asyncio
import json
import uuid
from decimal import Decimal
from typing import Any

import anthropic
import httpx
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm.gateway.caching import key_of, policy_of, read_wish
from llm.gateway.codecs.protocol import Ours
from llm.gateway.codecs.whole import (
    ChatCollector,
    MessagesCollector,
    chat_events,
    messages_events,
)
from tests.installation_under_test import Caller, Installation, wait_until

USE = {"X-Devora-Cache-Control": "use"}


@pytest.fixture
def caller(installation: Installation) -> Caller:
    return installation.caller()


@pytest.fixture
def model(installation: Installation) -> str:
    return installation.model("sim-usage-30-9", input="0.000001", output="0.00001")


def ask(
    installation: Installation,
    caller: Caller,
    model: str,
    text: str = "",
    *,
    headers: dict[str, str] = USE,
    **fields: Any,
) -> httpx.Response:
    text = text or uuid.uuid4().hex
    body = {"model": model, "messages": [{"role": "user", "content": text}], **fields}
    return httpx.post(
        f"{installation.url}/v1/chat/completions",
        json=body,
        headers={**caller.headers, **headers},
        timeout=60,
    )


def test_the_same_request_is_answered_from_the_cache_and_costs_nothing(
    installation: Installation, caller: Caller, model: str
):
    text = uuid.uuid4().hex
    first = ask(installation, caller, model, text)
    second = ask(installation, caller, model, text)

    assert first.headers["X-Devora-Cache"] == "miss"
    assert second.headers["X-Devora-Cache"] == "hit"
    assert second.content == first.content
    assert second.headers["X-Devora-Cost-Usd"] == "0"
    assert second.headers["X-Devora-Attempts"] == "0"
    assert second.headers["X-Devora-Model"] == model
    made, given = installation.calls(caller, count=2)
    assert (made["status"], made["cache"]) == ("ok", "miss")
    assert (given["status"], given["cache"], given["attempts"]) == ("cached", "hit", 0)
    assert given["saved_usd"] == made["cost_usd"] == Decimal("0.00012")
    query = "SELECT sum(saved_usd) AS saved FROM costs_rollup_work WHERE agent = %s"
    (rolled,) = installation.rows(query, caller.agent)
    assert rolled["saved"] == Decimal("0.00012")


@pytest.mark.parametrize(
    "changes",
    [
        {"temperature": 0.5},
        {"max_tokens": 9},
        {"seed": 4},
        {"user": "somebody"},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"metadata": {"a": "b"}},
        {"anything": [1]},
        {"messages": [{"role": "user", "content": "other"}]},
        {"messages": [{"role": "system", "content": "{text}"}]},
    ],
    ids=repr,
)
def test_whatever_differs_is_asked_anew(
    installation: Installation, caller: Caller, model: str, changes: Any
):
    text = uuid.uuid4().hex
    ask(installation, caller, model, text)
    other = ask(installation, caller, model, text, **changes)
    assert other.headers["X-Devora-Cache"] == "miss"


@pytest.mark.parametrize(
    ("headers", "fields", "told"),
    [
        ({}, {}, "off"),
        ({}, {"use_cache": True}, "hit"),
        (USE, {"use_cache": False}, "miss"),
        ({"X-Devora-Cache-Control": "max-age=60"}, {}, "hit"),
        ({"X-Devora-Cache-Control": "max-age=0"}, {}, "miss"),
        ({"X-Devora-Cache-Control": "use, no-cache"}, {}, "miss"),
        ({"X-Devora-Cache-Control": "use, no-store"}, {}, "off"),
    ],
)
def test_a_request_says_what_it_wants_of_the_cache(
    installation: Installation,
    caller: Caller,
    model: str,
    headers: dict[str, str],
    fields: Any,
    told: str,
):
    text = uuid.uuid4().hex
    ask(installation, caller, model, text)
    again = ask(installation, caller, model, text, headers=headers, **fields)
    assert again.headers["X-Devora-Cache"] == told


@pytest.mark.parametrize("header", ["yes", "max-age=x", "max-age=-1", "use;no-cache"])
def test_a_wish_that_means_nothing_is_refused(
    installation: Installation, caller: Caller, model: str, header: str
):
    answer = ask(
        installation, caller, model, headers={"X-Devora-Cache-Control": header}
    )
    assert answer.status_code == 400
    assert ask(installation, caller, model, use_cache="yes").status_code == 400


def test_a_cached_answer_is_a_stream_when_one_is_asked_for_and_the_other_way_round(
    installation: Installation, caller: Caller, model: str
):
    client = openai.OpenAI(
        base_url=f"{installation.url}/v1", api_key=caller.key, max_retries=0
    )
    for begin_with_stream in (False, True):
        messages: Any = [{"role": "user", "content": uuid.uuid4().hex}]
        answers: dict[bool, str] = {}
        for stream in (begin_with_stream, not begin_with_stream):
            create: Any = client.chat.completions.with_raw_response.create
            raw = create(
                model=model,
                messages=messages,
                stream=stream,
                extra_headers=USE,
                **({"stream_options": {"include_usage": True}} if stream else {}),
            )
            told = raw.headers["X-Devora-Cache"]
            assert told == ("miss" if stream is begin_with_stream else "hit")
            answer = raw.parse()
            if not stream:
                answers[stream] = answer.choices[0].message.content
                continue
            chunks = list(answer)
            answers[stream] = "".join(
                chunk.choices[0].delta.content or ""
                for chunk in chunks
                if chunk.choices
            )
            assert chunks[-1].usage.total_tokens == 39
        assert answers[True] == answers[False]


def test_a_messages_client_gets_its_stream_from_the_cache(
    installation: Installation, caller: Caller, model: str
):
    client = anthropic.Anthropic(
        base_url=installation.url, api_key=caller.key, max_retries=0
    )
    asked: Any = {
        "model": model,
        "max_tokens": 50,
        "messages": [{"role": "user", "content": uuid.uuid4().hex}],
        "extra_headers": USE,
    }
    first = client.messages.create(**asked)
    with client.messages.stream(**asked) as stream:
        again = stream.get_final_message()
        assert stream.response.headers["X-Devora-Cache"] == "hit"
    assert again.content[0].text == first.content[0].text
    assert again.usage.output_tokens == first.usage.output_tokens
    assert again.stop_reason == first.stop_reason
    client.close()


def test_a_hundred_at_once_are_one_upstream_call(
    installation: Installation, caller: Caller
):
    name = f"sim-slow-first-byte-1-tag-{uuid.uuid4().hex[:8]}"
    model = installation.model(name)
    body = {"model": model, "messages": [{"role": "user", "content": "same"}]}

    async def burst() -> list[httpx.Response]:
        async with httpx.AsyncClient(
            base_url=installation.url, headers={**caller.headers, **USE}, timeout=60
        ) as client:
            return await asyncio.gather(
                *(client.post("/v1/chat/completions", json=body) for _ in range(100))
            )

    answers = asyncio.run(burst())

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    asked = [
        line for line in installation.journal_lines("accepted") if line["model"] == name
    ]
    assert len(asked) == 1
    installation.calls(caller, count=100)


@pytest.mark.parametrize(
    "words", ["400", "cut-stream-after-3", "close-before-done", "content-filter"]
)
def test_what_went_wrong_is_never_kept(
    installation: Installation, caller: Caller, words: str
):
    name = f"sim-{words}-times-1-tag-{uuid.uuid4().hex[:8]}"
    model = installation.model(name)
    first = ask(installation, caller, model, "x", stream=True)
    again = ask(installation, caller, model, "x", stream=True)
    assert "hit" not in (
        first.headers.get("X-Devora-Cache"),
        again.headers.get("X-Devora-Cache"),
    )


def test_old_answers_die_when_the_label_moves_on(
    installation: Installation, caller: Caller, model: str
):
    slug = f"cached-{uuid.uuid4().hex[:6]}"
    definition = {
        "messages": [{"role": "user", "content": "Say something."}],
        "model": model,
        "cache": {"enabled": True, "ttl_s": 600},
    }
    with installation.orm():
        from prompts.services import label_move, prompt_create, version_create

        prompt = prompt_create(
            slug=slug, name=slug, definition=definition, actor="test"
        )
        version_create(prompt=prompt, definition=definition, actor="test")
        label_move(prompt=prompt, label="production", number=1, actor="test")
    installation.caller()

    def asked() -> str:
        answer = httpx.post(
            f"{installation.url}/v1/chat/completions",
            json={"model": f"prompt:{slug}"},
            headers=caller.headers,
            timeout=30,
        )
        assert answer.status_code == 200
        return answer.headers["X-Devora-Cache"]

    assert [asked(), asked()] == ["miss", "hit"]
    for number in (2, 1):
        with installation.orm():
            label_move(prompt=prompt, label="production", number=number, actor="test")
        installation.caller()
        assert [asked(), asked()] == ["miss", "hit"]
    fresh = httpx.post(
        f"{installation.url}/v1/chat/completions",
        json={"model": f"prompt:{slug}"},
        headers={**caller.headers, "X-Devora-Cache-Control": "no-cache"},
        timeout=30,
    )
    assert fresh.headers["X-Devora-Cache"] == "miss"


def test_a_version_that_forbids_the_cache_has_the_last_word():
    wish = read_wish("use", {})
    assert not policy_of(wish, {"enabled": False}).on
    assert policy_of(wish, {}).on
    assert policy_of(wish, None).on
    assert policy_of(read_wish(None, {}), {"ttl_s": 5}).ttl_s == 5
    assert not policy_of(read_wish(None, {}), {}).on


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
bodies = st.dictionaries(
    st.sampled_from(["model", "messages", "tools", "temperature", "n", "x"]),
    json_values,
)


@given(bodies, bodies, st.booleans())
def test_two_requests_share_a_key_only_when_they_say_the_same(one, other, stream):
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    first = key_of("chat", "p@1", {**one, "stream": stream})
    assert (first == key_of("chat", "p@1", other)) is same
    assert first != key_of("chat", "p@2", one)
    assert first != key_of("messages", "p@1", one)


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
calls = st.lists(
    st.fixed_dictionaries(
        {
            "id": texts,
            "type": st.just("function"),
            "function": st.fixed_dictionaries({"name": texts, "arguments": texts}),
        }
    ),
    min_size=1,
    max_size=3,
)
chat_messages = st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": st.none() | texts},
    optional={"tool_calls": calls, "refusal": texts},
)


@given(st.lists(chat_messages, min_size=1, max_size=3), st.booleans())
def test_a_completion_survives_being_a_stream(messages, wants_usage):
    answer = {
        "id": "x",
        "object": "chat.completion",
        "created": 5,
        "model": "m",
        "choices": [
            {"index": index, "message": message, "finish_reason": "stop"}
            for index, message in enumerate(messages)
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2},
    }
    collector = ChatCollector()
    for event in chat_events(answer, wants_usage=wants_usage, ours=Ours("c", "0")):
        collector.feed(event)
    collector.count(answer["usage"])
    assert collector.answer() == answer


blocks = st.one_of(
    st.fixed_dictionaries({"type": st.just("text"), "text": texts}),
    st.fixed_dictionaries(
        {"type": st.just("thinking"), "thinking": texts, "signature": texts}
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("tool_use"),
            "id": texts,
            "name": texts,
            "input": st.dictionaries(texts, st.integers(-9, 9), max_size=3),
        }
    ),
)


@given(st.lists(blocks, max_size=4))
def test_a_message_survives_being_a_stream(content):
    message = {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": content,
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 4},
    }
    collector = MessagesCollector()
    for event in messages_events(message, ours=Ours("c", "0")):
        collector.feed(event)
    assert collector.answer() == message


def test_what_is_kept_in_redis_serves_another_process(
    installation: Installation, caller: Caller, model: str
):
    text = uuid.uuid4().hex
    first = ask(installation, caller, model, text)
    installation.stop_web()
    installation.start_web()
    again = ask(installation, caller, model, text)
    assert again.headers["X-Devora-Cache"] == "hit"
    assert again.content == first.content
    wait_until(lambda: len(installation.calls(caller)) == 2)
