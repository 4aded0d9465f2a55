"""The client for asyncio."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self, TypeVar, Unpack, overload

import httpx

from devora_ops.client import _operations as operations
from devora_ops.client._base import BaseClient
from devora_ops.client._config import DEFAULT_RETRY, Retry
from devora_ops.client._operations import Operation
from devora_ops.client._replies import Reply
from devora_ops.client._streams import AsyncAnswerStream, Collector
from devora_ops.client._values import (
    UNSET,
    Answer,
    Assignment,
    ChatOptions,
    Embeddings,
    Messages,
    Model,
    Passage,
    RenderedPrompt,
    SearchMode,
    TimeoutValue,
)

T = TypeVar("T")


class AsyncClient(BaseClient):
    """Client's twin: the same calls with the same arguments, awaited.

    async with AsyncClient() as client:          # DEVORA_URL and DEVORA_API_KEY
        answer = await client.chat("Say hello.", model="smart")
        async with await client.stream_chat("A story.", model="smart") as stream:
            async for text in stream:
                print(text, end="")

    Client says what each argument means. One per event loop.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: TimeoutValue = UNSET,
        retry: Retry = DEFAULT_RETRY,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(base_url, api_key, timeout=timeout, retry=retry)
        self._http = httpx.AsyncClient(transport=transport)

    @overload
    async def chat(
        self,
        messages: Messages | None = None,
        *,
        stream: Literal[False] = False,
        **options: Unpack[ChatOptions],
    ) -> Answer: ...

    @overload
    async def chat(
        self,
        messages: Messages | None = None,
        *,
        stream: Literal[True],
        **options: Unpack[ChatOptions],
    ) -> AsyncAnswerStream: ...

    async def chat(
        self,
        messages: Messages | None = None,
        *,
        stream: bool = False,
        **options: Unpack[ChatOptions],
    ) -> Answer | AsyncAnswerStream:
        """Ask a model or a prompt: ``await client.chat("Hello", model="smart")``."""
        if stream:
            return await self.stream_chat(messages, **options)
        return await self._run(operations.chat(messages, options))

    async def stream_chat(
        self, messages: Messages | None = None, **options: Unpack[ChatOptions]
    ) -> AsyncAnswerStream:
        """Ask as chat does, and read the answer while it is being written."""
        started = time.perf_counter()
        operation = operations.chat(messages, options, stream=True)
        response = await self._send(operation, stream=True)
        return AsyncAnswerStream(response, Collector(response.headers, started=started))

    async def embed(self, texts: Sequence[str], *, model: str) -> Embeddings:
        """Turn texts into vectors."""
        return await self._run(operations.embed(texts, model=model))

    async def models(self) -> list[Model]:
        """List the names that chat takes as its model."""
        return await self._run(operations.models())

    async def render(
        self,
        slug: str,
        variables: Mapping[str, Any] | None = None,
        *,
        label: str | None = None,
        version: int | None = None,
    ) -> RenderedPrompt:
        """Fill in a prompt's template; the production label unless told otherwise."""
        return await self._run(
            operations.render(slug, variables, label=label, version=version)
        )

    async def search(
        self,
        corpus: str,
        query: str,
        *,
        top_k: int = 5,
        mode: SearchMode | None = None,
        filters: Mapping[str, Any] | None = None,
    ) -> list[Passage]:
        """Find the passages of a corpus that answer a query best, best first."""
        return await self._run(
            operations.search(corpus, query, top_k=top_k, mode=mode, filters=filters)
        )

    async def assign(self, experiment: str, unit: str) -> Assignment:
        """Ask which variant of an experiment a unit gets; always the same one."""
        return await self._run(operations.assign(experiment, unit))

    async def record_outcome(
        self,
        experiment: str,
        metric: str,
        value: float,
        *,
        unit: str | None = None,
        call_id: str | None = None,
    ) -> None:
        """Say what came of it: ``record_outcome("greeting", "success", 1, unit=u)``.

        Exactly one of unit and call_id says whose outcome it is.
        """
        await self._run(
            operations.record_outcome(
                experiment, metric, value, unit=unit, call_id=call_id
            )
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def _run(self, operation: Operation[T]) -> T:
        started = time.perf_counter()
        response = await self._send(operation)
        return operation.parse(Reply.of(response, started=started))

    async def _send(
        self, operation: Operation[Any], *, stream: bool = False
    ) -> httpx.Response:
        request = self._request(operation)
        retries = 0
        while True:
            outcome = await self._try(request, stream=stream)
            if isinstance(outcome, httpx.Response) and outcome.is_success:
                return outcome
            await asyncio.sleep(self._wait_s(self._failure(outcome), retries=retries))
            retries += 1

    async def _try(
        self, request: httpx.Request, *, stream: bool
    ) -> httpx.Response | httpx.RequestError:
        try:
            response = await self._http.send(request, stream=stream)
            if not response.is_success:
                await response.aread()
        except httpx.RequestError as error:
            return error
        return response
