"""What an attempt would cost at another price, and when nobody can say. Pure."""

import dataclasses
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from costs.price_rows import RATES
from costs.pricing import Usage, make_price, round_usd
from costs.repricing import StoredAttempt, repriced

BATCH = {"service_tiers": {"batch": {"prices": {"input": "0.5", "output": "1"}}}}
GEO = {"geo_multiplier": {"us": "1.1"}}


def price(number, *, schedule=None, **rates):
    amounts = {name: Decimal(rate) for name, rate in rates.items()}
    row = {"id": number, "schedule": schedule or {}, **dict.fromkeys(RATES), **amounts}
    return make_price(row)


OLD = price(1, input="1", output="2", schedule={**BATCH, **GEO})
NEW = price(
    2,
    input="3",
    output="4",
    schedule={
        "service_tiers": {"batch": {"prices": {"input": "1.5", "output": "2"}}},
        **GEO,
    },
)


def stored(usage, cost, *, raw=None, price_id=1, **more):
    attempt = StoredAttempt(
        state="settled",
        input_tokens=usage.whole_input,
        cache_read_tokens=usage.cache_read,
        cache_write_tokens=usage.cache_write_5m + usage.cache_write_1h,
        output_tokens=usage.whole_output,
        raw_usage=raw,
        price_id=price_id,
        cost_usd=None if cost is None else Decimal(cost),
        book_usd=None,
    )
    return dataclasses.replace(attempt, **more)


def become(attempt, *, old=OLD, new=NEW):
    return repriced(attempt, old=old, new=new)


USED = Usage(input=10, output=5)


def test_a_plain_attempt_costs_what_the_book_says_now():
    assert become(stored(USED, "20")) == ("repriced", Decimal(50))


def test_a_tier_that_no_column_names_follows_from_the_former_cost():
    assert become(stored(USED, "10")) == ("repriced", Decimal(25))


def test_a_region_follows_from_the_former_cost():
    assert become(stored(USED, "22")) == ("repriced", Decimal(55))


def test_what_was_told_comes_first_where_several_would_explain_a_cost():
    old = price(
        1,
        input="1",
        output="2",
        schedule={
            "service_tiers": {
                name: {"prices": {"input": "1", "output": "2"}}
                for name in ("flex", "batch")
            }
        },
    )
    attempt = stored(USED, "20", raw={"service_tier": "batch"})
    assert become(attempt, old=old) == ("repriced", Decimal(25))


def test_a_cost_that_does_not_follow_from_what_is_stored_stays():
    assert become(stored(USED, "20.000000001")) == (
        "unexplained",
        Decimal("20.000000001"),
    )
    assert become(stored(USED, "20"), old=None)[0] == "unexplained"


def test_bills_worst_cases_and_what_is_priced_so_already_stay():
    assert become(stored(USED, "20", book_usd=Decimal(3)))[0] == "billed"
    assert become(stored(USED, "20", price_id=None))[0] == "billed"
    assert become(stored(USED, "20", state="unknown"))[0] == "unknown"
    assert become(stored(USED, "20"), new=OLD) == ("same", Decimal(20))
    assert become(stored(Usage(), "0")) == ("same", Decimal(0))
    assert become(stored(USED, "20"), new=None) == ("no_price", Decimal(20))


def test_an_attempt_without_a_price_gets_the_one_that_there_is_now():
    attempt = stored(USED, None, price_id=None)
    assert become(attempt, old=None) == ("repriced", Decimal(50))
    assert become(attempt, old=None, new=None) == ("no_price", None)
    assert become(stored(Usage(), None, price_id=None)) == ("repriced", Decimal(0))


def test_audio_is_read_from_usage_of_the_responses_api_too():
    raw = {
        "input_tokens_details": {"audio_tokens": 4},
        "output_tokens_details": {"audio_tokens": 2},
    }
    usage = stored(USED, "20", raw=raw).usage()
    assert usage == Usage(input=6, input_audio=4, output=3, output_audio=2)


def test_writes_for_an_hour_audio_and_searches_are_read_as_they_were_told():
    raw = {
        "cache_creation": {"ephemeral_1h_input_tokens": 30},
        "prompt_tokens_details": {"audio_tokens": 4},
        "completion_tokens_details": {"audio_tokens": 2},
        "server_tool_use": {"web_search_requests": 3},
    }
    usage = Usage(
        input=6,
        cache_read=100,
        cache_write_5m=20,
        cache_write_1h=30,
        input_audio=4,
        output=3,
        output_audio=2,
        web_searches=3,
    )
    assert stored(usage, "1", raw=raw).usage() == usage


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.dictionaries(
        st.sampled_from(
            ["cache_creation", "ephemeral_1h_input_tokens", "audio_tokens"]
            + ["prompt_tokens_details", "service_tier", "inference_geo"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=6,
)


@given(
    st.dictionaries(
        st.sampled_from(["cache_creation", "service_tier", "inference_geo"]), junk
    )
)
def test_no_usage_makes_tokens_that_the_columns_lack(raw):
    usage = stored(USED, "20", raw=raw).usage()
    assert (usage.whole_input, usage.whole_output) == (10, 5)
    assert become(stored(USED, "20", raw=raw))[0] in ("repriced", "unexplained")


counts = st.integers(0, 5000)


@given(counts, counts, counts, counts, st.sampled_from(["", "batch"]))
def test_any_attempt_of_the_gateway_is_explained(plain, read, written, out, tier):
    usage = Usage(input=plain, cache_read=read, cache_write_5m=written, output=out)
    was = round_usd(OLD.cost(usage, service_tier=tier))
    outcome, cost = become(stored(usage, was))
    if not usage.whole_input and not usage.whole_output:
        assert (outcome, cost) == ("same", 0)
    else:
        assert outcome in ("repriced", "same")
        assert cost == round_usd(NEW.cost(usage, service_tier=tier))
