"""The grammar of model names, without a server."""

import pytest

from devora_ops.simulator import behaviours
from devora_ops.simulator.behaviours import WORDS, Script, UnknownWordError, parse


@pytest.mark.parametrize("name", ["gpt-5.2", "claude-sonnet-5", "simple-500", "a/b"])
def test_other_models_behave(name: str):
    assert parse(name) == Script()


def test_words_combine_in_any_order():
    one = parse("sim-usage-1000-20-once-500-retry-2")
    other = parse("sim-500-retry-2-once-usage-1000-20")
    assert one == other
    assert (one.status, one.retry_after_s, one.times) == (500, 2, 1)
    assert (one.prompt_tokens, one.completion_tokens) == (1000, 20)


def test_a_number_that_is_an_argument_is_not_a_status():
    script = parse("sim-usage-500-429")
    assert script.status == 0
    assert (script.prompt_tokens, script.completion_tokens) == (500, 429)


def test_the_longest_word_wins():
    assert parse("sim-retry-date-5").retry_date_s == 5
    assert parse("sim-bad-usage").bad_usage == "mixed"
    assert parse("sim-bad-usage-huge").bad_usage == "huge"
    assert parse("sim-hold-after-2").hold is False


def test_a_provider_before_the_name_does_not_matter():
    assert parse("openrouter/sim-429") == parse("sim-429")


def test_fractions_are_allowed_where_time_is_meant():
    assert parse("sim-slow-first-byte-0.5").first_byte_s == 0.5


def test_what_lasts_stays_when_the_failures_are_used_up():
    script = parse("sim-500-once-usage-10-5-tag-x")
    assert script.calm is not None
    assert script.calm.status == 0
    assert (script.calm.prompt_tokens, script.calm.tag) == (10, "x")


@pytest.mark.parametrize(
    "name",
    [
        "sim-cost-much",
        "sim-cost-nan",
        "sim-teapot",
        "sim-500-teapot",
        "sim-usage-10",
        "sim-retry",
        "sim-gap-x",
    ],
)
def test_a_mistake_in_a_name_is_told(name: str):
    with pytest.raises(UnknownWordError):
        parse(name)


def test_every_word_is_in_the_documentation():
    documentation = (behaviours.__doc__ or "").replace(",", " ")
    documented = set(documentation.split())
    for word in WORDS:
        assert any(
            entry == word.spelling or entry.startswith(f"{word.spelling}-")
            for entry in documented
        ), word.spelling


def test_every_word_sets_something_that_exists():
    for word in WORDS:
        arguments = "-1" * len(word.takes)
        assert parse(f"sim-{word.spelling}{arguments}") != Script(simulated=True)
