"""What holds of every price that ships: sums add up, and more never costs less."""

from dataclasses import dataclass, fields, replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from costs import price_table
from costs.pricing import Price, Usage, make_price

KINDS = tuple(each.name for each in fields(Usage) if each.init)
# Parts of which others are the whole: they cost nothing of their own.
BILLED = tuple(name for name in KINDS if name != "reasoning")


@dataclass(frozen=True)
class Terms:
    """A price of the shipped table, and how a call is served under it."""

    model: str
    price: Price
    tier: str
    region: str

    def cost(self, usage: Usage) -> Decimal:
        return self.price.cost(usage, service_tier=self.tier, region=self.region)

    def lowest_threshold(self) -> int:
        """Return the whole input up to which the base prices hold."""
        schedule = self.price.service_tiers.get(self.tier, self.price.standard)
        return min((above for above, _ in schedule.tiers), default=10_000_000)


@st.composite
def all_terms(draw: st.DrawFn) -> Terms:
    """Draw a model of the table, with a fee for each request too, as some have."""
    model = draw(st.sampled_from(sorted(price_table.models())))
    fields_ = price_table.price_fields(price_table.models()[model], model=model)
    fee = draw(st.sampled_from([None, Decimal("0.005")]))
    price = make_price({"id": 0, "per_request": fee, **fields_})
    tier = draw(st.sampled_from(["", *price.service_tiers]))
    region = draw(st.sampled_from(["", *price.regions]))
    return Terms(model, price, tier, region)


def usages(most: int) -> st.SearchStrategy[Usage]:
    """Draw usages whose counts, searches included, are at most so many."""
    return st.builds(Usage, **dict.fromkeys(KINDS, st.integers(0, most)))


def together(*usages: Usage) -> Usage:
    return Usage(**{name: sum(getattr(it, name) for it in usages) for name in KINDS})


@given(all_terms(), usages(400_000))
def test_the_kinds_of_a_usage_priced_apart_come_to_the_whole(terms: Terms, all_: Usage):
    whole = replace(all_, **_fitting(all_, terms.lowest_threshold()))
    apart = [Usage(**{name: getattr(whole, name)}) for name in BILLED]

    fees = len(apart) * terms.price.per_request
    sum_of_parts = sum(map(terms.cost, apart)) - fees
    assert sum_of_parts == terms.cost(whole) - terms.price.per_request


def _fitting(usage: Usage, most: int) -> dict[str, int]:
    """Return input counts that come to no more than a context tier's threshold."""
    cut = usage.within(most, usage.whole_output)
    return {name: getattr(cut, name) for name in KINDS}


@given(all_terms(), usages(400_000), usages(400_000))
def test_two_calls_cost_no_more_than_one_with_all_their_tokens(
    terms: Terms, one: Usage, other: Usage
):
    apart = terms.cost(one) + terms.cost(other) - terms.price.per_request
    whole = together(one, other)
    if whole.whole_input <= terms.lowest_threshold():
        assert terms.cost(whole) == apart
    else:
        assert terms.cost(whole) >= apart


@given(
    all_terms(),
    usages(400_000),
    st.sampled_from(KINDS),
    st.integers(1, 300_000),
)
def test_more_of_a_kind_never_costs_less(
    terms: Terms, usage: Usage, kind: str, more: int
):
    grown = replace(usage, **{kind: getattr(usage, kind) + more})
    assert terms.cost(grown) >= terms.cost(usage)


@given(all_terms(), usages(400_000))
def test_reasoning_is_billed_as_the_output_that_it_is_a_part_of(
    terms: Terms, usage: Usage
):
    assert terms.cost(usage) == terms.cost(replace(usage, reasoning=0))


@given(all_terms(), usages(400_000))
def test_only_an_unused_call_or_a_free_model_costs_nothing(terms: Terms, usage: Usage):
    rates = terms.price.standard.base
    used = replace(usage, input=usage.input + 1, output=usage.output + 1)
    free = not (rates.input or rates.output)
    assert free or terms.cost(used) > 0
