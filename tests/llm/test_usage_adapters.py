"""What each adapter makes of a provider's usage: every token once, and what is odd."""

from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costs.pricing import Usage
from llm.providers import anthropic, openai, openai_responses, openrouter

counts = st.integers(0, 1_000_000)


def openai_usage(whole: int, cached: int, written: int) -> dict[str, Any]:
    details = {"cached_tokens": cached, "cache_write_tokens": written}
    return {"prompt_tokens": whole, "prompt_tokens_details": details}


def responses_usage(whole: int, cached: int, written: int) -> dict[str, Any]:
    details = {"cached_tokens": cached, "cache_write_tokens": written}
    return {"input_tokens": whole, "input_tokens_details": details}


def anthropic_usage(plain: int, cached: int, written: int) -> dict[str, Any]:
    return {
        "input_tokens": plain,
        "cache_read_input_tokens": cached,
        "cache_creation_input_tokens": written,
    }


ADAPTERS = {
    openai: (True, openai_usage),
    openrouter: (True, openai_usage),
    openai_responses: (True, responses_usage),
    anthropic: (False, anthropic_usage),
}
EACH = pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda it: it.__name__)


@EACH
def test_an_adapter_says_whether_its_input_includes_the_cache(adapter: ModuleType):
    includes, _ = ADAPTERS[adapter]
    assert adapter.INPUT_INCLUDES_CACHE is includes


@EACH
@given(plain=counts, cached=counts, written=counts)
def test_the_whole_input_is_what_the_adapters_property_says(
    adapter: ModuleType, plain: int, cached: int, written: int
):
    includes, write = ADAPTERS[adapter]
    told = plain + cached + written if includes else plain

    usage, anomaly = adapter.read_usage(write(told, cached, written))

    assert usage is not None
    assert not anomaly
    assert (usage.input, usage.cache_read) == (plain, cached)
    assert usage.cache_write_5m == written
    assert usage.whole_input == plain + cached + written


@EACH
def test_no_usage_is_not_odd(adapter: ModuleType):
    assert adapter.read_usage(None) == (None, "")


@EACH
@pytest.mark.parametrize("raw", [[], "5", {}, {"prompt_tokens": -1}, 7])
def test_what_is_no_usage_is_odd(adapter: ModuleType, raw: Any):
    assert adapter.read_usage(raw) == (None, "count_invalid")


def of(prompt: int, completion: int, **more: Any) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, **more}


def into(**parts: Any) -> dict[str, Any]:
    return {"prompt_tokens_details": parts}


def out_of(**parts: Any) -> dict[str, Any]:
    return {"completion_tokens_details": parts}


@pytest.mark.parametrize(
    ("raw", "anomaly"),
    [
        (of(10, 5, total_tokens=15), ""),
        (of(10, 5, total_tokens=None), ""),
        (of(10, 5, total_tokens=16), "total_differs"),
        (of(10, 5, total_tokens=-15), "count_invalid"),
        (of(10, 5, total_tokens="15"), "count_invalid"),
        (of(10, 5, **into(cached_tokens=10)), ""),
        (of(10, 5, **into(cached_tokens=11)), "cached_above_input"),
        (
            of(10, 5, **into(cached_tokens=6, cache_write_tokens=5)),
            "cached_above_input",
        ),
        (of(10, 5, **into(cached_tokens=-1)), "count_invalid"),
        (of(10, 5, **into(cached_tokens=1.5)), "count_invalid"),
        (of(10, 5, **into(cached_tokens=9, audio_tokens=9)), ""),
        (of(10, 5, **into(audio_tokens=11)), "audio_above_total"),
        (of(10, 5, **out_of(audio_tokens=6)), "audio_above_total"),
        (of(10, 5, **out_of(reasoning_tokens=5)), ""),
        (of(10, 5, **out_of(reasoning_tokens=6)), "reasoning_above_output"),
        (of(10, 5, **out_of(reasoning_tokens="many")), "count_invalid"),
    ],
    ids=repr,
)
def test_parts_that_do_not_add_up_are_odd_in_openais_format(raw, anomaly):
    usage, told = openai.read_usage(raw)

    assert told == anomaly
    assert usage is not None
    assert (usage.whole_input, usage.whole_output) == (10, 5)
    assert usage.reasoning <= 5


def written(total: int | None, short: int, long: int) -> dict[str, Any]:
    split = {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long}
    return {"cache_creation_input_tokens": total, "cache_creation": split}


@pytest.mark.parametrize(
    ("more", "anomaly"),
    [
        (written(30, 20, 10), ""),
        (written(None, 20, 10), ""),
        (written(40, 20, 10), ""),  # a stream's total grows after its split
        (written(29, 20, 10), "writes_above_total"),
        (written(30, -20, 10), "count_invalid"),
        ({"cache_creation_input_tokens": -1}, "count_invalid"),
        ({"cache_read_input_tokens": "x"}, "count_invalid"),
        ({"server_tool_use": {"web_search_requests": -2}}, "count_invalid"),
        ({"output_tokens_details": {"thinking_tokens": 6}}, "reasoning_above_output"),
        ({"output_tokens_details": {"thinking_tokens": 5}}, ""),
    ],
    ids=repr,
)
def test_parts_that_do_not_add_up_are_odd_in_anthropics_format(more, anomaly):
    usage, told = anthropic.read_usage({"input_tokens": 7, "output_tokens": 5, **more})

    assert told == anomaly
    assert usage is not None
    assert (usage.input, usage.output) == (7, 5)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
NAMES = (
    *("prompt_tokens", "completion_tokens", "total_tokens"),
    *("prompt_tokens_details", "completion_tokens_details"),
    *("input_tokens", "output_tokens", "cache_read_input_tokens"),
    *("cache_creation_input_tokens", "cache_creation", "server_tool_use"),
    "output_tokens_details",
    "input_tokens_details",
)


@EACH
@given(raw=st.dictionaries(st.sampled_from(NAMES), anything))
def test_nothing_in_a_usage_breaks_an_adapter(adapter: ModuleType, raw: Any):
    usage, _ = adapter.read_usage(raw)

    for name in Usage.__dataclass_fields__:
        assert usage is None or getattr(usage, name) >= 0
