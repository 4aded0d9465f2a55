"""Requests to /v1/responses, and an answer that a provider may give."""

from typing import Any

import httpx

from tests.installation_under_test import Caller, Installation

PRICE = {"input": "0.000001", "cache_read": "0.0000001", "output": "0.00001"}
TOOL = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"place": {"type": "string"}}},
}
ANSWER: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "output": [
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "hello", "annotations": []}],
        }
    ],
    "usage": {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7},
}


def post(installation: Installation, caller: Caller, **body: Any) -> httpx.Response:
    return httpx.post(
        f"{installation.url}/v1/responses",
        json={"input": "hi", **body},
        headers=caller.headers,
        timeout=60,
    )
