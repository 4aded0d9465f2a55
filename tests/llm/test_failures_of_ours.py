"""What is logged when we break ourselves: one line, in it the trace and the call."""

import logging
import os
import uuid

import httpx
import pytest

from llm.gateway.app import Gateway, GatewayConfig
from llm.services import agent_ensure, apikey_create

CHAT = "/v1/chat/completions"
BODY = {"model": "prompt:none", "messages": [{"role": "user", "content": "?"}]}


async def breaking(model, body, request_id):
    """Break where a request is expanded."""
    raise RuntimeError("broken on purpose")


@pytest.fixture
def key(committed_db):
    agent = agent_ensure(slug=f"breaking-{uuid.uuid4().hex[:8]}")
    return apikey_create(agent=agent)


@pytest.fixture
async def gateway(committed_db, key, own_redis, tmp_path):
    config = GatewayConfig(
        database_url=committed_db,
        redis_url=own_redis.url,
        field_keys=(os.environ["DEVORA_FIELD_KEYS"],),
        store_content="off",
        data_folder=tmp_path,
        expand=breaking,
    )
    gateway = Gateway(config)
    await gateway.start()
    yield gateway
    await gateway.stop()


def errors(caplog):
    return [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_call_that_breaks_is_a_500_and_one_line(gateway, key, caplog):
    transport = httpx.ASGITransport(gateway)
    headers = {"Authorization": f"Bearer {key}", "X-Request-Id": "breaks-1"}
    async with httpx.AsyncClient(transport=transport, base_url="http://web") as client:
        answer = await client.post(CHAT, json=BODY, headers=headers)

    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"
    assert "purpose" not in answer.text
    (record,) = errors(caplog)
    assert record.name == "[LLM]"
    assert record.levelname == "ERROR"
    assert record.request_id == "breaks-1"
    assert str(record.exc_info[1]) == "broken on purpose"


async def test_behind_a_begun_answer_the_server_tells_of_it(gateway, key, caplog):
    """It logs what reaches it, in the request's own task, so we do not."""
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/v1/models",
        "headers": [(b"authorization", f"Bearer {key}".encode())],
    }

    async def receive():
        return {"type": "http.request", "body": b""}

    async def send(message):
        if message["type"] == "http.response.body":
            raise RuntimeError("the answer cannot be written")

    with pytest.raises(RuntimeError, match="cannot be written"):
        await gateway(scope, receive, send)
    assert errors(caplog) == []
