"""Costs are exact: each token counted once, at the price it really has."""

from dataclasses import fields
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from costs.pricing import Price, Rates, Schedule, Usage, make_price, round_usd

RATES = Rates(
    input=Decimal("0.000002"),
    output=Decimal("0.000010"),
    cache_read=Decimal("0.0000002"),
    cache_write_5m=Decimal("0.0000025"),
    cache_write_1h=Decimal("0.000004"),
)
PRICE = Price(id=1, standard=Schedule(RATES))

tokens = st.integers(0, 200_000)
usages = st.builds(
    Usage,
    input=tokens,
    cache_read=tokens,
    cache_write_5m=tokens,
    cache_write_1h=tokens,
    output=tokens,
)


def test_each_kind_of_token_has_its_own_price():
    usage = Usage(input=1000, cache_read=500, cache_write_5m=200, output=50)

    assert PRICE.cost(usage) == Decimal("0.0031")


def test_a_kind_without_a_price_costs_what_plain_tokens_do():
    price = Price(id=1, standard=Schedule(Rates(Decimal("0.001"), Decimal("0.002"))))

    assert price.cost(Usage(cache_read=3, cache_write_1h=2, output=1)) == Decimal(
        "0.007"
    )


def test_a_one_hour_write_falls_back_to_the_five_minute_price():
    rates = Rates(input=Decimal(1), output=Decimal(1), cache_write_5m=Decimal(3))

    assert rates.cost(Usage(cache_write_1h=2)) == 6


def test_a_context_tier_prices_the_whole_request_strictly_above_its_threshold():
    dear = Rates(input=Decimal("0.000004"), output=Decimal("0.00002"))
    price = Price(id=1, standard=Schedule(RATES, ((100, dear),)))

    assert price.cost(Usage(input=60, cache_read=40, output=1)) == Decimal("0.000138")
    assert price.cost(Usage(input=61, cache_read=40, output=1)) == Decimal("0.000424")


def test_a_service_tier_and_a_region_change_the_price():
    row = {
        "id": 7,
        "input": "0.00001",
        "output": "0.00005",
        "web_search": Decimal("0.01"),
        "per_request": None,
        "schedule": {
            "service_tiers": {
                "batch": {"prices": {"input": "0.000005", "output": "0.000025"}}
            },
            "geo_multiplier": {"us": "1.1"},
        },
    }
    price = make_price(row)
    usage = Usage(input=1000, output=100, web_searches=2)

    assert price.cost(usage) == Decimal("0.035")
    assert price.cost(usage, service_tier="batch") == Decimal("0.0275")
    assert price.cost(usage, region="us") == Decimal("0.0365")


def test_a_tier_that_names_no_plain_price_of_a_side_has_the_base_ones():
    row = {
        "id": 7,
        "input": "10",
        "cache_read": "1",
        "cache_write_1h": "20",
        "output": "50",
        "web_search": None,
        "per_request": None,
        "schedule": {
            "tiers": [{"above_input_tokens": 99, "prices": {"input": "15"}}],
            "service_tiers": {
                "batch": {
                    "prices": {"cache_write_1h": "12"},
                    "tiers": [{"above_input_tokens": 99, "prices": {"output": "40"}}],
                }
            },
        },
    }
    price = make_price(row)
    usage = Usage(input=1, cache_read=1, cache_write_1h=1, output=1)

    assert price.cost(usage, service_tier="batch") == 10 + 1 + 12 + 50
    assert price.cost(Usage(input=100, output=1)) == 100 * 15 + 50
    assert price.cost(Usage(input=100, output=1), service_tier="batch") == 1040
    worst = price.worst_case(input_bound=1, output_bound=1, service_tier="batch")
    assert worst == 20 + 50


def test_rounding_is_half_even_to_nine_places():
    assert round_usd(Decimal("0.0000000005")) == 0
    assert round_usd(Decimal("0.0000000015")) == Decimal("0.000000002")


@given(usages, usages)
def test_cost_is_additive_without_tiers(one: Usage, other: Usage):
    both = Usage(
        *(
            getattr(one, name) + getattr(other, name)
            for name in (each.name for each in fields(Usage) if each.init)
        )
    )
    assert PRICE.cost(one) + PRICE.cost(other) == PRICE.cost(both)


@given(usages, st.integers(0, 1_000_000))
def test_no_outcome_costs_more_than_the_worst_case(usage: Usage, threshold: int):
    tier = Rates(input=Decimal("0.000006"), output=Decimal("0.00003"))
    price = Price(id=1, standard=Schedule(RATES, ((threshold, tier),)))

    worst = price.worst_case(
        input_bound=usage.whole_input, output_bound=usage.whole_output
    )

    assert round_usd(price.cost(usage)) <= worst


@given(
    room=st.decimals(0, 5, places=9),
    input_bound=st.integers(0, 10_000),
    fee=st.decimals(0, "0.1", places=6),
)
def test_the_output_that_fits_is_the_largest_that_does(room, input_bound, fee):
    price = Price(id=1, standard=Schedule(RATES), per_request=fee)

    def worst(output: int) -> Decimal:
        return price.worst_case(input_bound=input_bound, output_bound=output)

    fits = price.output_within(room, input_bound=input_bound)
    if fits < 0:
        assert worst(0) > room
    else:
        assert worst(fits) <= room < worst(fits + 1)


def test_any_output_fits_where_it_costs_nothing():
    free = Price(id=1, standard=Schedule(Rates(Decimal(1), Decimal(0))))
    assert free.output_within(Decimal(5), input_bound=5) is None
    assert free.output_within(Decimal(4), input_bound=5) == -1


def test_the_worst_case_is_no_dearer_than_it_has_to_be():
    price = Price(id=1, standard=Schedule(Rates(Decimal(0), Decimal("0.001"))))
    assert price.worst_case(input_bound=50, output_bound=10) == Decimal("0.01")
    odd = Price(id=1, standard=Schedule(Rates(Decimal(0), Decimal("0.00000000001"))))
    assert odd.worst_case(input_bound=50, output_bound=1) == Decimal("0.000000001")
