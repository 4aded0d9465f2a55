"""Clients that others wrote: langchain-openai, and embeddings with openai's."""

import asyncio
import uuid
from typing import Any

import httpx
import openai
import pydantic
import pytest
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

from tests.fakes.upstream import model_of, running
from tests.installation_under_test import Caller, Installation


@pytest.fixture
def caller(installation: Installation) -> Caller:
    return installation.caller()


@pytest.fixture
def chat(installation: Installation, caller: Caller) -> ChatOpenAI:
    return ChatOpenAI(
        base_url=f"{installation.url}/v1",
        api_key=pydantic.SecretStr(caller.key),
        model="simulator/gpt-5.2",
        max_retries=0,
    )


def test_langchain_chats_and_streams(
    installation: Installation, caller: Caller, chat: ChatOpenAI
):
    answer = chat.invoke("Why do tests matter?")
    assert answer.content
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["total_tokens"] > 0
    assert "".join(str(chunk.content) for chunk in chat.stream("Why?"))

    async def ask() -> Any:
        return await chat.ainvoke("Why?")

    assert asyncio.run(ask()).content
    assert len(installation.calls(caller, count=3)) == 3


def test_langchain_calls_tools(chat: ChatOpenAI):
    class Weather(pydantic.BaseModel):
        """Tell the weather of a place."""

        place: str

    bound = chat.bind_tools([Weather], tool_choice="Weather")
    (call,) = bound.invoke("How is it in Lyon?").tool_calls
    assert call["name"] == "Weather"


def test_embeddings_are_answered_and_billed(installation: Installation, caller: Caller):
    model = installation.model("text-embedding-3-small", input="0.00000002", output="0")
    client = openai.OpenAI(
        base_url=f"{installation.url}/v1", api_key=caller.key, max_retries=0
    )
    answer = client.embeddings.create(model=model, input=["one", "two"])
    assert len(answer.data) == 2
    (attempt,) = installation.attempts(caller)
    assert attempt["input_tokens"] == answer.usage.prompt_tokens > 0
    assert attempt["cost_usd"] > 0
    assert attempt["output_tokens"] == 0


@pytest.mark.parametrize(
    "given", [None, "", [], [""], [1.5], {"a": 1}, [[]], [["a"]], 7, [-1], [[1, 2**31]]]
)
def test_embeddings_of_nothing_are_refused(
    installation: Installation, caller: Caller, given: Any
):
    client = openai.OpenAI(
        base_url=f"{installation.url}/v1", api_key=caller.key, max_retries=0
    )
    with pytest.raises(openai.BadRequestError):
        client.embeddings.create(model="simulator/gpt-5.2", input=given)


def test_langchain_embeds(installation: Installation, caller: Caller):
    model = installation.model("text-embedding-3-small", input="0.00000002", output="0")
    embeddings = OpenAIEmbeddings(
        base_url=f"{installation.url}/v1",
        api_key=pydantic.SecretStr(caller.key),
        model=model,
        check_embedding_ctx_length=False,
        max_retries=0,
    )
    assert len(embeddings.embed_documents(["one", "two"])) == 2


def test_openai_parses_a_structure_and_streams_side_by_side(
    installation: Installation, caller: Caller
):
    class Answer(pydantic.BaseModel):
        place: str

    client = openai.AsyncOpenAI(
        base_url=f"{installation.url}/v1", api_key=caller.key, max_retries=0
    )
    ask: Any = {
        "model": "simulator/gpt-5.2",
        "messages": [{"role": "user", "content": "Where?"}],
    }

    async def streamed() -> str:
        stream = await client.chat.completions.create(**ask, stream=True)
        return "".join([it.choices[0].delta.content or "" async for it in stream])

    async def both() -> Any:
        async with client:
            parse = client.chat.completions.parse(**ask, response_format=Answer)
            return await asyncio.gather(parse, streamed())

    parsed, text = asyncio.run(both())
    assert isinstance(parsed.choices[0].message.parsed, Answer)
    assert text


def test_openai_is_given_tools_called_side_by_side(
    installation: Installation, caller: Caller
):
    client = openai.OpenAI(
        base_url=f"{installation.url}/v1", api_key=caller.key, max_retries=0
    )
    calls = [
        {
            "id": f"call_{name}",
            "type": "function",
            "function": {"name": name, "arguments": '{"place": "Lyon"}'},
        }
        for name in ("weather", "time")
    ]
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    with running() as upstream:
        model = model_of(installation, upstream)
        upstream.say(
            {
                "choices": [
                    {"index": 0, "message": message, "finish_reason": "tool_calls"}
                ],
                "usage": {
                    "prompt_tokens": 3,
                    "completion_tokens": 1,
                    "total_tokens": 4,
                },
            }
        )
        answer = client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "How is it?"}]
        )
    told = answer.choices[0].message.tool_calls or []
    assert [it.model_dump(exclude_none=True) for it in told] == calls


def test_what_a_chat_asks_for_arrives_as_it_was_said(
    installation: Installation, caller: Caller
):
    body: dict[str, Any] = {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {
                        "type": "image_url",
                        "image_url": {
                            "url": "data:image/png;base64,aGk=",
                            "detail": "low",
                        },
                    },
                ],
            },
        ],
        "n": 2,
        "seed": 7,
        "logprobs": True,
        "top_logprobs": 3,
        "temperature": 0.3,
        "stop": ["\n\n"],
        "tools": [{"type": "function", "function": {"name": "look", "parameters": {}}}],
        "tool_choice": "auto",
        "parallel_tool_calls": False,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "seen", "schema": {"type": "object"}},
        },
        "max_completion_tokens": 50,
        "something_new": {"that": ["we", "do not know"]},
    }
    with running() as upstream:
        model = model_of(installation, upstream)
        upstream.say(
            {
                "choices": [
                    {"index": 0, "message": {"role": "assistant", "content": "x"}}
                ],
                "usage": {
                    "prompt_tokens": 3,
                    "completion_tokens": 1,
                    "total_tokens": 4,
                },
            }
        )
        answer = httpx.post(
            f"{installation.url}/v1/chat/completions",
            json={"model": model, **body},
            headers=caller.headers,
            timeout=30,
        )
        assert answer.status_code == 200
        (asked,) = upstream.asked
    assert asked == {"model": "m", **body}


@pytest.mark.parametrize("words", ["reset", "504", "html", "401", "quota"])
def test_a_client_does_not_retry_what_may_be_billed_or_cannot_be_helped(
    installation: Installation, caller: Caller, words: str
):
    model = installation.model(f"sim-{words}-tag-{uuid.uuid4().hex[:6]}")
    client = openai.OpenAI(base_url=f"{installation.url}/v1", api_key=caller.key)
    with pytest.raises(openai.APIStatusError):
        client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "hi"}], max_tokens=5
        )
    assert len(installation.calls(caller)) == 1


def test_who_has_no_embeddings_is_not_asked_for_any(
    installation: Installation, caller: Caller
):
    slug = f"anthro-{uuid.uuid4().hex[:6]}"
    installation.provider(slug, installation.simulator_url, kind="anthropic")
    client = openai.OpenAI(base_url=f"{installation.url}/v1", api_key=caller.key)
    with pytest.raises(openai.BadRequestError) as refused:
        client.embeddings.create(model=f"{slug}/sim", input="x")
    assert refused.value.code == "unsupported_endpoint"


def test_a_model_and_a_route_are_found_by_their_names(
    installation: Installation, caller: Caller
):
    model = installation.model(f"sim-instant-tag-{uuid.uuid4().hex[:6]}")
    client = openai.OpenAI(base_url=f"{installation.url}/v1", api_key=caller.key)
    assert client.models.retrieve(model).owned_by == "simulator"
    assert {each.id for each in client.models.list()} >= {model}
    with pytest.raises(openai.NotFoundError) as missing:
        client.models.retrieve("nobody/nothing")
    assert missing.value.code == "model_not_found"
