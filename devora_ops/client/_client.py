"""The client for threads and scripts."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self, TypeVar, Unpack, overload

import httpx

from devora_ops.client import _operations as operations
from devora_ops.client._base import BaseClient
from devora_ops.client._config import DEFAULT_RETRY, Retry
from devora_ops.client._operations import Operation
from devora_ops.client._replies import Reply
from devora_ops.client._streams import AnswerStream, Collector
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


class Client(BaseClient):
    """Talks to the gateway; one per process is enough, threads may share it.

    with Client() as client:                     # DEVORA_URL and DEVORA_API_KEY
        answer = client.chat("Say hello.", model="smart")
        print(answer.text, answer.cost_usd)

    base_url: as the gateway prints it; with or without /v1.
    timeout: seconds of silence that are borne, or an httpx.Timeout, or None for
    ever. Left out: 630 s for a model's answer (the gateway gives up first), 30 s
    for everything else, 5 s to connect. A chat call may bring its own, and
    ``client.with_timeout(2).search(…)`` is for the rest.
    transport: an httpx transport, for your own TLS settings or for tests.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: TimeoutValue = UNSET,
        retry: Retry = DEFAULT_RETRY,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        super().__init__(base_url, api_key, timeout=timeout, retry=retry)
        self._http = httpx.Client(transport=transport)

    @overload
    def chat(
        self,
        messages: Messages | None = None,
        *,
        stream: Literal[False] = False,
        **options: Unpack[ChatOptions],
    ) -> Answer: ...

    @overload
    def chat(
        self,
        messages: Messages | None = None,
        *,
        stream: Literal[True],
        **options: Unpack[ChatOptions],
    ) -> AnswerStream: ...

    def chat(
        self,
        messages: Messages | None = None,
        *,
        stream: bool = False,
        **options: Unpack[ChatOptions],
    ) -> Answer | AnswerStream:
        """Ask a model or a prompt; ChatOptions lists what else can be said.

        client.chat("Say hello.", model="smart")
        client.chat(prompt="support", variables={"name": "Ada"}, unit="user-1")
        client.chat([{"role": "user", "content": "…"}], model="openai/gpt-4.1")

        With a prompt, messages follow the rendered ones. stream=True is
        stream_chat under the wire format's own word.
        """
        if stream:
            return self.stream_chat(messages, **options)
        return self._run(operations.chat(messages, options))

    def stream_chat(
        self, messages: Messages | None = None, **options: Unpack[ChatOptions]
    ) -> AnswerStream:
        """Ask as chat does, and read the answer while it is being written."""
        started = time.perf_counter()
        operation = operations.chat(messages, options, stream=True)
        response = self._send(operation, stream=True)
        return AnswerStream(response, Collector(response.headers, started=started))

    def embed(self, texts: Sequence[str], *, model: str) -> Embeddings:
        """Turn texts into vectors."""
        return self._run(operations.embed(texts, model=model))

    def models(self) -> list[Model]:
        """List the names that chat takes as its model."""
        return self._run(operations.models())

    def render(
        self,
        slug: str,
        variables: Mapping[str, Any] | None = None,
        *,
        label: str | None = None,
        version: int | None = None,
    ) -> RenderedPrompt:
        """Fill in a prompt's template; the production label unless told otherwise."""
        return self._run(
            operations.render(slug, variables, label=label, version=version)
        )

    def search(
        self,
        corpus: str,
        query: str,
        *,
        top_k: int = 5,
        mode: SearchMode | None = None,
        filters: Mapping[str, Any] | None = None,
    ) -> list[Passage]:
        """Find the passages of a corpus that answer a query best, best first."""
        return self._run(
            operations.search(corpus, query, top_k=top_k, mode=mode, filters=filters)
        )

    def assign(self, experiment: str, unit: str) -> Assignment:
        """Ask which variant of an experiment a unit gets; always the same one."""
        return self._run(operations.assign(experiment, unit))

    def record_outcome(
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
        self._run(
            operations.record_outcome(
                experiment, metric, value, unit=unit, call_id=call_id
            )
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _run(self, operation: Operation[T]) -> T:
        started = time.perf_counter()
        response = self._send(operation)
        return operation.parse(Reply.of(response, started=started))

    def _send(
        self, operation: Operation[Any], *, stream: bool = False
    ) -> httpx.Response:
        request = self._request(operation)
        retries = 0
        while True:
            outcome = self._try(request, stream=stream)
            if isinstance(outcome, httpx.Response) and outcome.is_success:
                return outcome
            time.sleep(self._wait_s(self._failure(outcome), retries=retries))
            retries += 1

    def _try(
        self, request: httpx.Request, *, stream: bool
    ) -> httpx.Response | httpx.RequestError:
        try:
            response = self._http.send(request, stream=stream)
            if not response.is_success:
                response.read()
        except httpx.RequestError as error:
            return error
        return response
