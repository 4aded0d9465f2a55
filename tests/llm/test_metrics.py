"""What Prometheus is told, and who may ask."""

import datetime as dt
import uuid
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from costs.pricing import Usage
from devora_ops.metrics import MetricsEndpoint
from llm.gateway.health import SharedState, breakers
from llm.gateway.metrics import Metrics
from tests.installation_under_test import Installation, wait_until


def samples(text: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def told(installation: Installation) -> dict[tuple[str, ...], float]:
    answer = httpx.get(f"{installation.url}/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return samples(answer.text)


def test_calls_tokens_cost_cache_and_breakers_are_told(installation: Installation):
    caller = installation.caller()
    model = installation.model("sim-usage-90-7", input="0.000003", output="0.000015")
    failing = installation.model(f"sim-500-tag-{uuid.uuid4().hex[:8]}")
    before = told(installation)
    text = uuid.uuid4().hex

    def ask(model: str) -> int:
        return httpx.post(
            f"{installation.url}/v1/chat/completions",
            json={"model": model, "messages": [{"role": "user", "content": text}]},
            headers={**caller.headers, "X-Devora-Cache-Control": "use"},
            timeout=30,
        ).status_code

    assert [ask(model), ask(model)] == [200, 200]
    while ask(failing) != 503:
        pass

    def grown(*key: str) -> float:
        now = told(installation)
        return now.get(key, 0.0) - before.get(key, 0.0)

    wait_until(lambda: grown("devora_calls_total", "cached") == 1)
    assert grown("devora_calls_total", "ok") == 1
    assert grown("devora_cache_total", "hit") == 1

    def of_model(*key: str) -> float:
        # Beyond a hundred models, of other tests, it has no label of its own.
        return grown(*key, model) + grown(*key, "other")

    assert of_model("devora_tokens_total", "input") == 90
    assert of_model("devora_tokens_total", "output") == 7
    cost = float(90 * Decimal("0.000003") + 7 * Decimal("0.000015"))
    assert of_model("devora_cost_usd_total") == pytest.approx(cost)
    assert grown("devora_call_seconds_count") == 1
    wait_until(lambda: grown("devora_breaker_open", failing) == 1)


async def asked(endpoint: MetricsEndpoint, *, client: str, token: str = "") -> int:
    sent = []

    async def send(message):
        sent.append(message)

    headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
    scope = {"method": "GET", "headers": headers, "client": (client, 1)}

    async def receive():
        return {"type": "http.request"}

    await endpoint(scope, receive, send)
    return sent[0]["status"]


async def test_without_a_token_only_this_machine_is_told():
    endpoint = MetricsEndpoint(Metrics(breakers()), "")
    assert await asked(endpoint, client="127.0.0.1") == 200
    assert await asked(endpoint, client="::1") == 200
    assert await asked(endpoint, client="10.0.0.7") == 403
    assert await asked(endpoint, client="nonsense") == 403


async def test_with_a_token_whoever_has_it_is_told():
    endpoint = MetricsEndpoint(Metrics(breakers()), "s3cret")
    assert await asked(endpoint, client="10.0.0.7", token="s3cret") == 200
    assert await asked(endpoint, client="127.0.0.1", token="wrong") == 401
    assert await asked(endpoint, client="127.0.0.1") == 401


def _tried(model: str, **used: Any) -> Any:
    usage = Usage(**used)
    return SimpleNamespace(
        call=None,
        attempts=[
            SimpleNamespace(
                provider="p",
                state="settled",
                anomaly="",
                model=model,
                usage=usage,
                cost_usd=None,
            )
        ],
    )


def test_names_that_nobody_serves_take_no_label():
    metrics = Metrics(breakers())
    metrics.count([_tried(f"p/typo-{n}") for n in range(150)])
    metrics.count([_tried("p/real", input=7)])
    told = samples(metrics.text().decode())
    assert told["devora_tokens_total", "input", "p/real"] == 7
    assert not any("p/typo" in label for key in told for label in key)


def test_models_beyond_a_hundred_are_one():
    metrics = Metrics(breakers())
    metrics.count([_tried(f"p/m{n}", input=1) for n in range(150)])
    told = samples(metrics.text().decode())
    models = {
        key[2]: value for key, value in told.items() if key[0] == "devora_tokens_total"
    }
    assert len(models) == 101
    assert models["other"] == 50


def test_of_many_breakers_those_that_are_open_are_told():
    shared = breakers()
    now = dt.datetime.now(dt.UTC)
    shared.current = {
        **{f"p/m{n}": SharedState("closed", "", now, None) for n in range(150)},
        "p/broken": SharedState("open", "", now, None),
    }
    told = samples(Metrics(shared).text().decode())
    assert told["devora_breaker_open", "p/broken"] == 1
