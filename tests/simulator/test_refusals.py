"""Models that refuse: the status, the shape, and nothing billed."""

from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from devora_ops.simulator.behaviours import REFUSALS
from devora_ops.simulator.config import Config
from tests.fakes.simulator import SimulatorProcess
from tests.simulator.conftest import chat, in_process

CHAT = "/v1/chat/completions"


@pytest.mark.parametrize("status", REFUSALS)
def test_a_status_is_refused_in_openais_shape(http: httpx.Client, status: int):
    answer = http.post(CHAT, json=chat(f"sim-{status}"))
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("sim-quota", 429, "insufficient_quota"),
        ("sim-spend-limit", 429, "enforced_spend_limit_reached"),
        ("sim-context-length", 400, "context_length_exceeded"),
        ("sim-content-filter", 400, "content_filter"),
    ],
)
def test_special_refusals_have_the_providers_code(
    http: httpx.Client, name: str, status: int, code: str
):
    answer = http.post(CHAT, json=chat(name))
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_the_official_client_raises_its_own_error(client: Any):
    with pytest.raises(openai.RateLimitError) as raised:
        client.chat.completions.create(**chat("sim-429-retry-2"))
    assert raised.value.response.headers["retry-after"] == "2"


def test_retry_after_may_be_a_date_or_nonsense(http: httpx.Client):
    date = http.post(CHAT, json=chat("sim-503-retry-date-60")).headers["retry-after"]
    assert parsedate_to_datetime(date).tzinfo is not None
    nonsense = http.post(CHAT, json=chat("sim-429-retry-garbage"))
    assert not nonsense.headers["retry-after"].isdigit()
    assert "retry-after" not in http.post(CHAT, json=chat("sim-429")).headers


def test_once_fails_the_first_of_each_body(http: httpx.Client, tag: str):
    statuses = [
        http.post(CHAT, json=chat(f"sim-500-once-tag-{tag}", text)).status_code
        for text in ("one", "one", "two", "one", "two")
    ]
    assert statuses == [500, 200, 500, 200, 200]


async def test_percent_fails_a_share_by_chance(tmp_path: Path):
    async with in_process(Config(tmp_path / "journal", seed=5)) as http:

        async def failures(share: str) -> int:
            body = chat(f"sim-500-percent-{share}")
            answers = [await http.post(CHAT, json=body) for _ in range(200)]
            return sum(answer.status_code == 500 for answer in answers)

        assert await failures("0") == 0
        assert await failures("100") == 200
        assert 40 <= await failures("30") <= 80


def test_times_fails_so_many_times(http: httpx.Client, tag: str):
    model = f"sim-503-times-2-tag-{tag}"
    statuses = [http.post(CHAT, json=chat(model)).status_code for _ in range(4)]
    assert statuses == [503, 503, 200, 200]


def test_a_refusal_is_journalled_but_never_billed(
    simulator: SimulatorProcess, http: httpx.Client, tag: str
):
    model = f"sim-429-tag-{tag}"
    http.post(CHAT, json=chat(model), headers={"X-Devora-Attempt": "a1"})
    (entry,) = simulator.journal(model)
    assert (entry.event, entry.status, entry.attempt) == ("refused", 429, "a1")
    assert simulator.model(model) == {
        "requests": 1,
        "accepted": 0,
        "refused": 1,
        "billed": 0,
        "client_gone": 0,
        "waiting": 0,
    }


def test_a_proxys_html_may_carry_the_status(http: httpx.Client):
    answer = http.post(CHAT, json=chat("sim-502-html"))
    assert answer.status_code == 502
    assert answer.headers["content-type"].startswith("text/html")


def test_any_key_but_one_is_good(http: httpx.Client):
    headers = {"Authorization": "Bearer bad-key"}
    for model in ("gpt-5.2", "sim-instant"):
        refused = http.post(CHAT, json=chat(model), headers=headers)
        assert refused.status_code == 401
        assert refused.json()["error"]["code"] == "invalid_api_key"


def test_a_wrong_word_in_a_model_name_is_a_404_that_says_so(http: httpx.Client):
    answer = http.post(CHAT, json=chat("sim-503-teapot"))
    assert answer.status_code == 404
    assert "teapot" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"model":"sim-instant"',
        b'{"model":"gpt-5.2"}',
        b'{"messages":[{"role":"user"}]}',
        b'{"model":"gpt-5.2","messages":[5]}',
        b'{"model":"gpt-5.2","messages":[{"role":"user"}],"n":0}',
        b'{"model":"gpt-5.2","messages":[{"role":"user"}],"stream":"yes"}',
        b'{"model":"gpt-5.2","messages":[{"role":"user"}],"tools":[5]}',
        b'{"model":"gpt-5.2","messages":[{"role":"user"}],"response_format":"json"}',
        b'{"model":"gpt-5.2","messages":[{"role":"user","content":%b}]}'
        % (b"[" * 900 + b"]" * 900),
    ],
)
def test_a_body_that_cannot_be_served_is_a_400(http: httpx.Client, body: bytes):
    answer = http.post(CHAT, content=body)
    assert answer.status_code == 400
    assert "error" in answer.json()


def test_an_embedding_of_nothing_is_a_400(http: httpx.Client):
    for wrong in ([], [[1], "a"], 5, None):
        body = {"model": "text-embedding-3-small", "input": wrong}
        assert http.post("/v1/embeddings", json=body).status_code == 400


def test_other_paths_and_methods_are_refused(http: httpx.Client):
    assert http.get("/v1/nothing").status_code == 404
    wrong = http.get(CHAT)
    assert wrong.status_code == 405
    assert "error" in wrong.json()
