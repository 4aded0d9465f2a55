"""Clients that others wrote: langchain-openai, and embeddings with openai's."""

import asyncio
from typing import Any

import openai
import pydantic
import pytest
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

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
    "given", [None, "", [], [""], [1.5], {"a": 1}, [[]], [["a"]], 7]
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
