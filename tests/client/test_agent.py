"""An agent that inherits EnhancedBaseAgent: what it asks, and what it counts."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import httpx
import pytest

from devora_ops.client import (
    AgentStats,
    AsyncClient,
    BudgetExceeded,
    ConfigurationError,
    ConnectionFailed,
    EnhancedBaseAgent,
)
from tests.client.agents import AsyncTalker, Talker
from tests.client.gateway import HEADERS, KEY, URL, Gateway, completion, refusal


def test_it_gives_the_text_with_the_stats(call):
    agent = call.talker(call.client(Gateway(completion("Hello."))))
    result = call(agent, "call_llm", "Say hello.", temperature=0.1)
    assert result.text == "Hello."
    assert result.answer.call_id == "call-1"
    assert result.passages == ()
    assert result.stats == agent.stats
    assert result.stats.calls == 1


@pytest.mark.parametrize(("use_cache", "said"), [(True, "use"), (False, "no-cache")])
def test_the_cache_is_used_unless_told_otherwise(call, use_cache, said):
    gateway = Gateway(completion())
    agent = call.talker(call.client(gateway))
    call(agent, "call_llm", "Hi", use_cache=use_cache)
    assert gateway.requests[0].headers.get("X-Devora-Cache-Control") == said


def test_a_prompt_is_filled_with_the_calls_variables(call):
    gateway = Gateway(completion())
    agent = call.support(call.client(gateway))
    call(agent, "call_llm", "Help!", variables={"name": "Ada"}, unit="u", user="x")
    assert gateway.body == {
        "model": "prompt:support",
        "messages": [{"role": "user", "content": "Help!"}],
        "variables": {"name": "Ada"},
        "unit": "u",
        "user": "x",
    }
    call(agent, "call_llm")
    assert gateway.body == {"model": "prompt:support", "messages": []}


def test_the_calls_own_prompt_or_model_replaces_the_classes(call):
    gateway = Gateway(completion())
    agent = call.support(call.client(gateway))
    call(agent, "call_llm", "Hi", model="cheap")
    assert gateway.body["model"] == "cheap"
    call(agent, "call_llm", "Hi", prompt="other@2")
    assert gateway.body["model"] == "prompt:other@2"


@pytest.mark.parametrize(
    ("name", "pin"),
    [
        ("greeting", {}),
        ("greeting@staging", {"label": "staging"}),
        ("greeting@3", {"version": 3}),
    ],
)
def test_a_rendered_template_is_answered_by_exactly_its_version(call, name, pin):
    messages = [{"role": "user", "content": "Hello Ada."}]
    body = {"messages": messages, "version": 3}
    gateway = Gateway(httpx.Response(200, json=body), completion())
    agent = call.talker(call.client(gateway))
    rendered = call(agent, "render_template", name, name="Ada")
    assert gateway.body == {"variables": {"name": "Ada"}, **pin}
    assert rendered.text == "Hello Ada."
    call(agent, "call_llm", rendered)
    assert gateway.body == {
        "model": "prompt:greeting@3",
        "messages": [],
        "variables": {"name": "Ada"},
    }


def test_it_adds_up_what_its_calls_cost_and_took(call):
    free = {**HEADERS, "X-Devora-Cache": "hit", "X-Devora-Cost-Usd": "0"}
    unpriced = {"X-Devora-Cache": "miss"}
    gateway = Gateway(
        completion(),
        completion(headers=free),
        completion(headers=unpriced),
        refusal(402, "budget_exceeded", "No room."),
    )
    agent = call.talker(call.client(gateway))
    answers = [call(agent, "call_llm", "Hi").answer for _ in range(3)]
    with pytest.raises(BudgetExceeded):
        call(agent, "call_llm", "Hi")
    stats = agent.stats
    assert (stats.calls, stats.errors, stats.answers) == (4, 1, 3)
    assert (stats.input_tokens, stats.output_tokens) == (36, 9)
    assert (stats.cost_usd, stats.unpriced) == (Decimal("0.0000123"), 1)
    assert (stats.cache_hits, stats.cache_hit_rate) == (1, 1 / 3)
    total = sum(answer.latency_ms for answer in answers)
    assert stats.latency_ms_total == pytest.approx(total)
    assert stats.latency_ms_mean == pytest.approx(total / 3)


def test_before_the_first_call_everything_is_zero(call):
    stats = call.talker(call.client(Gateway(completion()))).stats
    assert stats == AgentStats()
    assert (stats.latency_ms_mean, stats.cache_hit_rate) == (0.0, 0.0)


def test_threads_lose_no_count():
    with Talker(Gateway(completion()).client()) as agent:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: agent.call_llm("Hi"), range(200)))
        assert agent.stats.calls == 200
        assert agent.stats.cost_usd == 200 * Decimal("0.0000123")


async def test_a_cancelled_call_counts_as_one_that_failed():
    async def never(request: httpx.Request) -> httpx.Response:
        arrived.set()
        await asyncio.Event().wait()
        raise AssertionError

    arrived = asyncio.Event()
    client = AsyncClient(URL, KEY, transport=httpx.MockTransport(never))
    async with client, AsyncTalker(client) as agent:
        task = asyncio.create_task(agent.call_llm("Hi"))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (agent.stats.calls, agent.stats.errors) == (1, 1)


def test_its_log_carries_its_prefix_and_no_words_of_the_call(call, caplog):
    gateway = Gateway(completion("SECRET ANSWER"), httpx.ReadError("SECRET ERROR"))
    agent = call.talker(call.client(gateway))
    with caplog.at_level(logging.INFO, logger="[EnhancedAgent]"):
        call(agent, "call_llm", "SECRET QUESTION")
        with pytest.raises(ConnectionFailed):
            call(agent, "call_llm", "SECRET QUESTION")
    ours = [line for line in caplog.records if line.name == "[EnhancedAgent]"]
    assert [line.levelname for line in ours] == ["INFO", "WARNING"]
    assert "call_id=call-1 cost_usd=0.000012300 cache=miss" in ours[0].getMessage()
    assert "ConnectionFailed" in ours[1].getMessage()
    assert "SECRET" not in "".join(line.getMessage() for line in ours)


def test_an_agent_without_prompt_and_model_says_so():
    agent = EnhancedBaseAgent(Gateway(completion()).client())
    with pytest.raises(ConfigurationError, match="neither prompt nor model"):
        agent.call_llm("Hi")


def test_a_stream_is_not_asked_of_call_llm(call):
    agent = call.talker(call.client(Gateway(completion())))
    with pytest.raises(ValueError, match="stream_chat"):
        call(agent, "call_llm", "Hi", stream=True)


def test_it_closes_only_the_client_that_it_made(monkeypatch):
    monkeypatch.setenv("DEVORA_API_KEY", KEY)
    with Talker() as agent:
        mine = agent.client
    with pytest.raises(RuntimeError, match="closed"):
        mine.models()
    yours = Gateway(completion()).client()
    with yours:
        with Talker(yours) as agent:
            pass
        assert yours.chat("Hi", model="smart").text == "Hello."
