"""Anthropic's address, headers and usage, whatever is typed or returned."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costs.pricing import Usage
from llm.providers.anthropic import (
    base_headers,
    merge_usage,
    messages_url,
    read_usage,
)
from llm.snapshot import Upstream

counts = st.integers(0, 1_000_000)
junk = st.none() | st.booleans() | st.text() | st.floats() | st.integers(max_value=-1)


def upstream(base_url: str = "https://api.anthropic.com", secret: str = "sk-ant-x"):
    return Upstream("anthropic", "anthropic", base_url, False, secret)


def usage_of(raw: Any) -> Usage | None:
    usage, _ = read_usage(raw)
    return usage


@pytest.mark.parametrize("typed", ["", "/", "/v1", "/v1/"])
def test_messages_go_to_the_same_place_however_it_was_typed(typed):
    url = messages_url(upstream(f"https://api.anthropic.com{typed}"))

    assert url == "https://api.anthropic.com/v1/messages"


def test_requests_carry_the_key_and_the_version():
    headers = base_headers(upstream())

    assert headers["x-api-key"] == "sk-ant-x"
    assert headers["anthropic-version"] == "2023-06-01"
    assert "x-api-key" not in base_headers(upstream(secret=""))


def test_each_kind_of_token_is_counted_once():
    raw = {
        "input_tokens": 10,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 30,
        "cache_creation": {
            "ephemeral_5m_input_tokens": 20,
            "ephemeral_1h_input_tokens": 10,
        },
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 3},
        "server_tool_use": {"web_search_requests": 2},
    }

    assert usage_of(raw) == Usage(
        input=10,
        cache_read=100,
        cache_write_5m=20,
        cache_write_1h=10,
        output=7,
        reasoning=3,
        web_searches=2,
    )


@pytest.mark.parametrize(
    ("total", "short", "long", "written"),
    [(30, None, None, (30, 0)), (30, 0, 20, (10, 20)), (5, 20, 10, (20, 10))],
)
def test_no_write_goes_unbilled_when_total_and_split_disagree(
    total, short, long, written
):
    split = {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long}
    usage = usage_of(
        {
            "input_tokens": 1,
            "cache_creation_input_tokens": total,
            "cache_creation": split,
        }
    )

    assert (usage.cache_write_5m, usage.cache_write_1h) == written


@pytest.mark.parametrize(
    "raw",
    [
        None,
        [],
        "usage",
        {},
        {"output_tokens": 1},
        {"input_tokens": True},
        {"input_tokens": -1},
        {"input_tokens": 1.5},
        {"input_tokens": 10**12},
        {"input_tokens": 1, "output_tokens": "2"},
    ],
)
def test_what_is_no_usage_is_none(raw):
    assert usage_of(raw) is None


@given(
    counts,
    counts,
    st.dictionaries(
        st.sampled_from(
            [
                "cache_read_input_tokens",
                "cache_creation_input_tokens",
                "cache_creation",
                "server_tool_use",
                "output_tokens_details",
            ]
        ),
        junk,
    ),
)
def test_junk_beside_the_counts_is_passed_over(plain, output, rest):
    raw = {**rest, "input_tokens": plain, "output_tokens": output}

    assert usage_of(raw) == Usage(input=plain, output=output)


def test_the_last_count_of_a_stream_wins():
    split = {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 20}
    start: dict[str, Any] = {
        "input_tokens": 10,
        "cache_creation_input_tokens": 20,
        "cache_creation": split,
        "output_tokens": 1,
    }
    end = {"input_tokens": None, "cache_creation_input_tokens": 20, "output_tokens": 9}

    usage = usage_of(merge_usage(merge_usage(None, start), end))

    assert usage == Usage(input=10, cache_write_1h=20, output=9)
    assert start["output_tokens"] == 1


@pytest.mark.parametrize("later", [None, [], "x"])
def test_a_usage_that_is_none_changes_nothing(later):
    assert merge_usage({"input_tokens": 1}, later) == {"input_tokens": 1}
