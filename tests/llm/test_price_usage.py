"""`price_usage`: each API's usage as it returns it, priced by the shipped table."""

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.installation_under_test import ROOT
from tests.price_usage import run, written

TABLE = {
    f"{row['provider']}/{row['model']}": row
    for row in json.loads((ROOT / "costs/data/price_table.json").read_text())["models"]
}


def rate(model: str, kind: str) -> Decimal:
    return Decimal(TABLE[model]["prices"][kind])


GPT, CLAUDE = "openai/gpt-5.4", "anthropic/claude-sonnet-5"
CASES: list[tuple[str, dict[str, Any], Decimal | None]] = [
    (
        "chat, a part from the cache",
        {
            "provider": "openai",
            "api": "openai.chat",
            "model": "gpt-5.4",
            "usage": {
                "prompt_tokens": 1000,
                "completion_tokens": 50,
                "total_tokens": 1050,
                "prompt_tokens_details": {"cached_tokens": 400},
            },
        },
        600 * rate(GPT, "input")
        + 400 * rate(GPT, "cache_read")
        + 50 * rate(GPT, "output"),
    ),
    (
        "responses, the same under other names",
        {
            "provider": "openai",
            "api": "openai.responses",
            "model": "gpt-5.4",
            "usage": {
                "input_tokens": 1000,
                "output_tokens": 50,
                "total_tokens": 1050,
                "input_tokens_details": {"cached_tokens": 400},
                "output_tokens_details": {"reasoning_tokens": 30},
            },
        },
        600 * rate(GPT, "input")
        + 400 * rate(GPT, "cache_read")
        + 50 * rate(GPT, "output"),
    ),
    (
        "embeddings",
        {
            "provider": "openai",
            "api": "openai.embeddings",
            "model": "text-embedding-3-small",
            "usage": {"prompt_tokens": 7, "total_tokens": 7},
        },
        7 * rate("openai/text-embedding-3-small", "input"),
    ),
    (
        "a batch",
        {
            "provider": "openai",
            "api": "openai.chat",
            "model": "gpt-5.4",
            "service_tier": "batch",
            "usage": {"prompt_tokens": 1000, "completion_tokens": 0},
        },
        1000 * Decimal(TABLE[GPT]["service_tiers"]["batch"]["prices"]["input"]),
    ),
    (
        "messages, in the dearer region, with a search",
        {
            "provider": "anthropic",
            "api": "anthropic.messages",
            "model": "claude-sonnet-5",
            "usage": {
                "input_tokens": 10,
                "cache_read_input_tokens": 100,
                "cache_creation_input_tokens": 30,
                "cache_creation": {
                    "ephemeral_5m_input_tokens": 20,
                    "ephemeral_1h_input_tokens": 10,
                },
                "output_tokens": 7,
                "inference_geo": "us",
                "service_tier": "standard",
                "server_tool_use": {"web_search_requests": 2},
            },
        },
        Decimal("1.1")
        * (
            10 * rate(CLAUDE, "input")
            + 100 * rate(CLAUDE, "cache_read")
            + 20 * rate(CLAUDE, "cache_write_5m")
            + 10 * rate(CLAUDE, "cache_write_1h")
            + 7 * rate(CLAUDE, "output")
        )
        + 2 * Decimal(TABLE[CLAUDE]["web_search"]),
    ),
    (
        "OpenRouter's bill, digit for digit",
        {
            "provider": "openrouter",
            "api": "openrouter.chat",
            "model": "nobody/knows-it",
            "usage": {
                "prompt_tokens": 1,
                "cost": Decimal("0.000012345678901234567890"),
                "is_byok": False,
                "cost_details": {"upstream_inference_cost": Decimal("0.5")},
            },
        },
        Decimal("0.000012345678901234567890"),
    ),
    (
        "OpenRouter's fee and what the customer's key paid",
        {
            "provider": "openrouter",
            "api": "openrouter.chat",
            "model": "amazon/nova-2-lite-v1",
            "usage": {
                "prompt_tokens": 1,
                "cost": Decimal("0.95"),
                "cost_details": {"upstream_inference_cost": 19},
            },
        },
        Decimal("19.95"),
    ),
    (
        "OpenRouter without a cost, by the table",
        {
            "provider": "openrouter",
            "api": "openrouter.chat",
            "model": "amazon/nova-2-lite-v1",
            "usage": {"prompt_tokens": 1000, "completion_tokens": 10, "cost": -1},
        },
        1000 * rate("openrouter/amazon/nova-2-lite-v1", "input")
        + 10 * rate("openrouter/amazon/nova-2-lite-v1", "output"),
    ),
    (
        "a model that has no price",
        {
            "provider": "openai",
            "api": "openai.chat",
            "model": "gpt-nobody",
            "usage": {"prompt_tokens": 1, "completion_tokens": 1},
        },
        None,
    ),
    (
        "an API that is none",
        {"provider": "openai", "api": "smtp", "model": "gpt-5.4", "usage": {}},
        None,
    ),
    (
        "no usage at all",
        {
            "provider": "anthropic",
            "api": "anthropic.messages",
            "model": "claude-opus-5",
        },
        None,
    ),
]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    lines = [written({"id": name, **row, "unknown": 1}) for name, row, _ in CASES]
    ran = run("\n".join([*lines, ""]), tmp_path_factory.mktemp("data"))
    assert ran.returncode == 0, ran.stderr
    found = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [answer["id"] for answer in found] == [name for name, _, _ in CASES]
    assert "gpt-nobody is not in the price table" in ran.stderr
    return {answer["id"]: answer["usd"] for answer in found}


@pytest.mark.parametrize(("name", "usd"), [(name, usd) for name, _, usd in CASES])
def test_a_usage_costs_what_the_table_says_unrounded(answers, name, usd):
    told = answers[name]
    assert told is None if usd is None else Decimal(told) == usd


def test_a_line_that_is_none_is_told_and_the_others_are_priced(tmp_path):
    good = written({"id": 7, **CASES[2][1]})
    ran = run(f"nonsense\n[]\n\n{good}\n", tmp_path)
    assert ran.returncode == 1
    assert "line 1 is no JSON object" in ran.stderr
    ids = [json.loads(line)["id"] for line in ran.stdout.splitlines()]
    assert ids == [None, None, 7]
