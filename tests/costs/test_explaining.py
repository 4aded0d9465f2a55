"""The terms of a difference: exactly additive, and each moved by its own cause alone."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import example, given
from hypothesis import strategies as st

from costs.explaining import TERMS, Bill, ModelUse, explain
from costs.pricing import Rates

MODELS = ("a/one", "a/two", "b/three")
usd = st.decimals(0, 10_000, places=9)
rate = st.decimals("0.000000001", "0.001", places=9)
few = st.integers(0, 50)
some = st.integers(1, 50)


@st.composite
def rates(draw):
    """Draw prices as the book has them; caches may have none of their own."""
    return Rates(
        input=draw(rate),
        output=draw(rate),
        cache_read=draw(st.none() | rate),
        cache_write_5m=draw(st.none() | rate),
    )


def priced(use):
    """Return the use at what its rates say of it."""
    by = use.rates
    plain = use.input_tokens - use.read_tokens - use.written_tokens
    read = by.input if by.cache_read is None else by.cache_read
    written = by.input if by.cache_write_5m is None else by.cache_write_5m
    cost = plain * by.input + use.read_tokens * read + use.written_tokens * written
    return replace(use, cost_usd=cost + use.output_tokens * by.output)


@st.composite
def uses(draw):
    """Draw a model's use whose answers are alike and cost what the book says."""
    answers, read, written = draw(some), draw(few), draw(few)
    use = ModelUse(
        answers=answers,
        hits=draw(few),
        input_tokens=answers * (read + written + draw(some)),
        read_tokens=answers * read,
        written_tokens=answers * written,
        output_tokens=answers * draw(some),
        rates=draw(rates()),
    )
    return priced(use)


@st.composite
def odd_uses(draw):
    """Draw a use in which nothing need fit to anything."""
    return ModelUse(
        answers=draw(few),
        hits=draw(few),
        input_tokens=draw(few),
        read_tokens=draw(few),
        written_tokens=draw(few),
        output_tokens=draw(few),
        cost_usd=draw(usd),
        rates=draw(st.just(Rates()) | rates()),
        per_request=draw(st.just(Decimal(0)) | rate),
    )


def _costless_without_answers(use):
    return use if use.answers else replace(use, cost_usd=Decimal(0))


odd_bills = st.builds(
    Bill,
    models=st.dictionaries(
        st.sampled_from(MODELS), odd_uses().map(_costless_without_answers)
    ),
    retries_usd=usd,
    experiments_usd=usd,
    embeddings_usd=usd,
    repricing_usd=usd,
)
bills = st.builds(
    Bill, models=st.dictionaries(st.sampled_from(MODELS), uses(), min_size=1)
)


def changes(before, after):
    """Return the terms that are not zero, after checking that they sum up."""
    terms = explain(before, after)
    assert [term.name for term in terms] == list(TERMS)
    amounts = {term.name: term.amount_usd for term in terms}
    assert sum(amounts.values()) == after.total_usd - before.total_usd
    return {name: amount for name, amount in amounts.items() if amount}


def only(name, before, after):
    """Say whether nothing but one term explains a difference, if there is one."""
    found = changes(before, after)
    return found.keys() <= {name}


def each(bill, change):
    """Return the bill with a change to what every model did."""
    return Bill({name: change(use) for name, use in bill.models.items()})


@given(odd_bills, odd_bills)
def test_the_terms_sum_to_the_difference_exactly(before, after):
    changes(before, after)


@given(odd_bills, odd_bills)
def test_swapping_the_periods_negates_the_total(before, after):
    there = sum(term.amount_usd for term in explain(before, after))
    back = sum(term.amount_usd for term in explain(after, before))
    assert there == -back


WRITTEN_OF_NOTHING = ModelUse(
    answers=1,
    written_tokens=1,
    cost_usd=Decimal("1E-9"),
    rates=Rates(
        input=Decimal("2E-9"), output=Decimal("1E-9"), cache_write_5m=Decimal("1E-9")
    ),
    per_request=Decimal("2E-9"),
)


@given(odd_bills)
@example(Bill(models={"a/two": WRITTEN_OF_NOTHING}))
def test_a_period_does_not_differ_from_itself(bill):
    assert changes(bill, bill) == {}


@given(bills, st.integers(2, 9))
def test_more_of_the_same_calls_is_volume(bill, times):
    def grown(use):
        counts = ("answers", "hits", "input_tokens", "read_tokens", "written_tokens")
        more = {name: getattr(use, name) * times for name in counts}
        output = use.output_tokens * times
        return priced(replace(use, output_tokens=output, **more))

    assert changes(bill, each(bill, grown)).keys() == {"volume"}
    assert changes(each(bill, grown), bill).keys() == {"volume"}


@given(bills, rates())
def test_other_prices_of_the_same_usage_are_price(bill, prices):
    def repriced(use):
        return priced(replace(use, rates=prices))

    assert only("price", bill, each(bill, repriced))


@given(bills, st.integers(2, 9))
def test_a_dearer_bill_of_the_same_usage_is_price_whatever_the_book_says(bill, times):
    def billed(use):
        return replace(use, cost_usd=use.cost_usd * times)

    assert changes(bill, each(bill, billed)).keys() == {"price"}


@given(uses(), uses(), some, some, st.integers(1, 49))
def test_calls_that_move_to_another_model_are_mix(one, two, first, second, moved):
    def asked(use, times):
        names = ("hits", "input_tokens", "read_tokens", "written_tokens")
        counts = {name: getattr(use, name) // use.answers * times for name in names}
        output = use.output_tokens // use.answers * times
        return priced(replace(use, answers=times, output_tokens=output, **counts))

    one, two = replace(one, hits=0), replace(two, hits=0)
    before = Bill({"a": asked(one, first + moved), "b": asked(two, second)})
    after = Bill({"a": asked(one, first), "b": asked(two, second + moved)})
    assert only("model_mix", before, after)


@given(uses(), uses())
def test_a_model_that_replaces_another_is_mix(one, two):
    two = priced(
        replace(
            two,
            answers=one.answers,
            hits=one.hits,
            input_tokens=one.answers * 7,
            read_tokens=0,
            written_tokens=0,
            output_tokens=one.answers,
        )
    )
    assert only("model_mix", Bill({"a": one}), Bill({"b": two}))


@given(bills, st.integers(2, 9))
def test_longer_inputs_are_input_length(bill, times):
    def longer(use):
        names = ("input_tokens", "read_tokens", "written_tokens")
        more = {name: getattr(use, name) * times for name in names}
        return priced(replace(use, **more))

    assert changes(bill, each(bill, longer)).keys() == {"input_length"}


@given(bills, st.integers(2, 9))
def test_longer_outputs_are_output_length(bill, times):
    def longer(use):
        return priced(replace(use, output_tokens=use.output_tokens * times))

    assert changes(bill, each(bill, longer)).keys() == {"output_length"}


@given(bills)
def test_input_that_the_provider_no_longer_caches_is_cache(bill):
    def uncached(use):
        return priced(replace(use, read_tokens=0, written_tokens=0))

    assert only("cache", bill, each(bill, uncached))


@given(bills, st.integers(1, 9))
def test_calls_that_our_own_cache_answers_are_cache(bill, spared):
    def answered(use, times):
        names = ("input_tokens", "read_tokens", "written_tokens", "output_tokens")
        counts = {name: getattr(use, name) // use.answers * times for name in names}
        hits = use.calls - times
        return priced(replace(use, answers=times, hits=hits, **counts))

    def missed(use):
        return answered(use, use.answers)

    def hit(use):
        return answered(use, max(1, use.answers - spared))

    assert only("cache", each(bill, missed), each(bill, hit))


@given(bills, usd, usd)
def test_what_is_no_plain_first_answer_is_a_term_of_its_own(bill, before, after):
    for name in ("retries", "experiments", "embeddings", "repricing"):
        column = f"{name}_usd"
        then, now = (replace(bill, **{column: usd}) for usd in (before, after))
        assert changes(then, now) == ({name: after - before} if after != before else {})


@given(bills)
def test_everything_is_volume_when_there_was_nothing_before(bill):
    assert changes(Bill(), bill) == {"volume": bill.total_usd}
    assert changes(bill, Bill()) == {"volume": -bill.total_usd}


def test_a_price_that_becomes_known_is_price():
    use = ModelUse(answers=3, input_tokens=30, output_tokens=9)
    told = replace(use, cost_usd=Decimal("0.3"), rates=Rates(input=Decimal("0.01")))
    assert changes(Bill({"a": use}), Bill({"a": told})) == {"price": Decimal("0.3")}


def test_terms_follow_each_other_in_the_order_that_is_told():
    """Twice the calls at twice the price: the old usage is repriced first."""
    use = ModelUse(answers=10, input_tokens=100, cost_usd=Decimal(1))
    grown = ModelUse(answers=20, input_tokens=200, cost_usd=Decimal(4))
    found = changes(Bill({"a": use}), Bill({"a": grown}))
    assert found == {"price": Decimal(1), "volume": Decimal(2)}
