"""A gateway that answers what a test tells it to, for httpx.MockTransport."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx

from devora_ops.client import AsyncClient, Client, Retry

URL = "http://gateway.test"
KEY = "dvo_live_abcdefgh_secretsecretsecret_0badc0de"
AT_ONCE = Retry(base_s=0.0)

HEADERS = {
    "X-Request-Id": "request-1",
    "X-Devora-Call-Id": "call-1",
    "X-Devora-Cost-Usd": "0.000012300",
    "X-Devora-Cache": "miss",
    "X-Devora-Model": "openai/gpt-4.1",
    "X-Devora-Attempts": "2",
}


class Gateway:
    """Gives its answers in turn, the last one for ever; remembers the requests."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self._answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._answers[0] if len(self._answers) == 1 else self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(
            answer.status_code, headers=answer.headers, content=answer.content
        )

    @property
    def body(self) -> Any:
        """What the last request said."""
        return json.loads(self.requests[-1].content)

    def client(self, **options: Any) -> Client:
        options = {"base_url": URL, "api_key": KEY, "retry": AT_ONCE, **options}
        return Client(transport=httpx.MockTransport(self), **options)

    def async_client(self, **options: Any) -> AsyncClient:
        options = {"base_url": URL, "api_key": KEY, "retry": AT_ONCE, **options}
        return AsyncClient(transport=httpx.MockTransport(self), **options)


class SyncCaller:
    """Calls a method of a Client by its name."""

    def __call__(self, gateway: Gateway, method: str, *args: Any, **kwargs: Any) -> Any:
        with gateway.client() as client:
            return getattr(client, method)(*args, **kwargs)


class AsyncCaller:
    """Calls the same method of an AsyncClient, in a loop of its own."""

    def __call__(self, gateway: Gateway, method: str, *args: Any, **kwargs: Any) -> Any:
        async def call() -> Any:
            async with gateway.async_client() as client:
                return await getattr(client, method)(*args, **kwargs)

        return asyncio.run(call())


def completion(
    text: str = "Hello.",
    *,
    headers: Mapping[str, str] = HEADERS,
    message: Mapping[str, Any] | None = None,
) -> httpx.Response:
    """An answer to a chat call, 12 tokens in (4 of them cached) and 3 out."""
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "gpt-4.1-2025-04-14",
        "choices": [
            {
                "index": 0,
                "message": message or {"role": "assistant", "content": text},
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 12,
            "completion_tokens": 3,
            "prompt_tokens_details": {"cached_tokens": 4},
        },
    }
    return httpx.Response(200, json=body, headers=headers)


def refusal(
    status: int,
    code: str = "some_code",
    message: str = "Some reason.",
    **headers: str,
) -> httpx.Response:
    """A refusal of /v1; header names take underscores for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    error = {"message": message, "type": "x", "param": None, "code": code}
    return httpx.Response(
        status,
        json={"error": error},
        headers={"X-Request-Id": "request-9", **named},
    )


def chunk(text: str | None = None, **fields: Any) -> bytes:
    """One event of a chat stream."""
    choices = [] if text is None else [{"index": 0, "delta": {"content": text}}]
    body = {"object": "chat.completion.chunk", "choices": choices, **fields}
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n".encode()


DONE = b"data: [DONE]\n\n"


def event_stream(*events: bytes) -> httpx.Response:
    """A chat stream in one piece."""
    headers = {**HEADERS, "Content-Type": "text/event-stream; charset=utf-8"}
    del headers["X-Devora-Cost-Usd"]
    return httpx.Response(200, content=b"".join(events), headers=headers)
