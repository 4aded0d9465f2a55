"""What OpenRouter's usage says that a call cost, and what is believed of it. Pure."""

import json
from decimal import Context, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm.gateway.bills import charge, most_charged
from llm.providers.openrouter import read_bill


def told(cost: Any = "absent", **more: Any) -> dict[str, Any]:
    return {**({} if cost == "absent" else {"cost": cost}), **more}


def upstream(usd: Any) -> dict[str, Any]:
    return {"cost_details": {"upstream_inference_cost": usd}}


@pytest.mark.parametrize(
    ("usage", "usd"),
    [
        (told(0.0033789), "0.0033789"),
        (told(0), "0"),
        (told(Decimal("0.95")), "0.95"),
        (told(9.2e-05), "0.000092"),
        # What OpenRouter paid itself is in the cost already.
        (told(0.09, is_byok=False, **upstream(0.09)), "0.09"),
        (told(0.09, is_byok=False, **upstream(0.5)), "0.09"),
        (told(0.09, is_byok=False, **upstream(None)), "0.09"),
        # A customer's own key pays the provider, and the cost is the fee.
        (told(0.95, is_byok=True, **upstream(19)), "19.95"),
        (told(0, is_byok=True, **upstream(0.0360795)), "0.0360795"),
        # Older answers do not say whose key it was.
        (told(0.95, **upstream(19)), "19.95"),
        (told(0.09, **upstream(0.09)), "0.09"),
        (told(0.09, **upstream(None)), "0.09"),
        (told(0.09, cost_details=None), "0.09"),
    ],
    ids=repr,
)
def test_a_bill_is_what_the_customer_pays_altogether(usage, usd):
    assert read_bill(usage) == (Decimal(usd), "")


@pytest.mark.parametrize(
    ("usage", "anomaly"),
    [
        (None, ""),
        ([], ""),
        (told(), "bill_missing"),
        (told(None), "bill_missing"),
        (told(-0.5), "bill_invalid"),
        (told(float("nan")), "bill_invalid"),
        (told(float("inf")), "bill_invalid"),
        (told(Decimal("NaN")), "bill_invalid"),
        (told("0.5"), "bill_invalid"),
        (told(True), "bill_invalid"),
        (told([0.5]), "bill_invalid"),
        (told(0.05, is_byok=True, **upstream(None)), "bill_invalid"),
        (told(0.05, is_byok=True, **upstream("1")), "bill_invalid"),
        (told(0.05, is_byok=True, **upstream(-1)), "bill_invalid"),
        (told(0.05, is_byok=True), "bill_invalid"),
    ],
    ids=repr,
)
def test_what_is_no_amount_is_no_bill(usage, anomaly):
    assert read_bill(usage) == (None, anomaly)


amounts = st.decimals(0, 1000, allow_nan=False, places=30).map(lambda it: f"{it:f}")


@given(fee=amounts, paid=amounts, word=st.sampled_from(["", '"cost": 1, ', "cost"]))
def test_every_digit_counts(fee: str, paid: str, word: str):
    """A float has seventeen digits at most; the text may have more."""
    said = json.dumps(f"{word} and “cost”: 5")
    text = (
        f'{{"choices": [{{"message": {{"content": {said}}}}}], "usage": {{"cost" : {fee},'
        f' "is_byok": true, "cost_details": {{"upstream_inference_cost": {paid}}}}}}}'
    ).encode()

    bill, _ = read_bill(json.loads(text)["usage"], text)

    assert bill == Context(prec=100).add(Decimal(fee), Decimal(paid))


def test_a_tie_is_rounded_by_the_digits_that_were_sent():
    """As a float, this amount lies on the tie, and would be rounded to the even side."""
    text = b'{"usage": {"cost": 0.00000000250000000000000000001}}'
    usage = json.loads(text)["usage"]

    def rounded(bill: Any) -> Decimal | None:
        return charge(bill, book=None, most=Decimal(1)).cost_usd

    assert rounded(read_bill(usage)) == Decimal("0.000000002")
    assert rounded(read_bill(usage, text)) == Decimal("0.000000003")


def test_a_number_that_is_elsewhere_in_the_text_is_not_taken_for_the_cost():
    text = b'{"cost": 7.5, "usage": {"cost": 0.5}, "cost": "x"}'
    assert read_bill({"cost": 0.5}, text) == (Decimal("0.5"), "")
    assert read_bill({"cost": 0.25}, text) == (Decimal("0.25"), "")


ONE = Decimal(1)


def test_a_price_book_that_is_near_stands_beside_the_bill():
    near = charge((Decimal("0.0100000000004"), ""), book=Decimal("0.011"), most=ONE)
    assert (near.cost_usd, near.book_usd) == (Decimal("0.010000000"), Decimal("0.011"))
    assert (near.anomaly, near.estimated) == ("", False)


@pytest.mark.parametrize(
    ("bill", "book", "anomaly"),
    [
        ("0.02", "0.011", "bill_differs"),
        ("0.011", "0.02", "bill_differs"),
        ("0", "0.02", "bill_differs"),
        ("0.01", "0", "bill_differs"),
        ("0.01", "0.012", ""),
        ("0.0000002", "0.0000009", ""),  # dust
        ("0.01", None, ""),
    ],
)
def test_a_bill_far_from_our_price_is_odd(bill, book, anomaly):
    price = None if book is None else Decimal(book)
    made = charge((Decimal(bill), ""), book=price, most=ONE)
    assert (made.cost_usd, made.book_usd) == (Decimal(bill), price)
    assert made.anomaly == anomaly


@pytest.mark.parametrize("book", [None, Decimal("0.01")])
@pytest.mark.parametrize(
    ("bill", "anomaly"),
    [
        ((Decimal("1.01"), ""), "bill_above_bounds"),
        ((None, "bill_invalid"), "bill_invalid"),
        ((None, "bill_missing"), "bill_missing"),
    ],
)
def test_the_price_book_stands_in_for_a_bill_that_is_none(bill, anomaly, book):
    made = charge(bill, book=book, most=ONE)
    assert (made.cost_usd, made.book_usd) == (book, None)
    assert (made.estimated, made.anomaly) == (True, anomaly)


def test_a_call_whose_usage_never_came_is_no_anomaly():
    made = charge((None, ""), book=ONE, most=ONE)
    assert (made.cost_usd, made.estimated, made.anomaly) == (ONE, False, "")


def test_a_bill_may_exceed_the_worst_case_of_the_tokens_but_not_all_reason():
    assert most_charged(Decimal("0.50"), tokens=10) == 6
    assert most_charged(None, tokens=1000) == 2
