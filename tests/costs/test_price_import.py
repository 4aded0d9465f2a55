"""Price lists read, compared with the book and doubted. Pure."""

import contextlib
import datetime as dt
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costs import price_table
from costs.price_files import MAX_BYTES, MAX_ROWS, FileRefused, read_file
from costs.price_import import KnownPrice, review
from costs.price_rows import PER_TOKEN, RATES
from costs.price_sanity import CHEAPEST, DEAREST

NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
MARCH = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
HEADER = "model,valid_from,unit,input,output,cache_read,schedule"


def known(model="a/small", *, valid_from=MARCH, schedule=None, **rates):
    rates = {"input": "0.000001", "output": "0.000004", **rates}
    amounts = {name: Decimal(rate) for name, rate in rates.items() if rate is not None}
    return KnownPrice(model, valid_from, dict.fromkeys(RATES) | amounts, schedule or {})


def csv(*rows, header=HEADER):
    return "\n".join((header, *rows)).encode()


def read(content, unit=""):
    return read_file(content, unit=unit, source="list.csv")


def reviewed(content, *book, unit=""):
    return review(read(content, unit), book, now=NOW).rows


def only(content, *book, unit=""):
    (row,) = reviewed(content, *book, unit=unit)
    return row


def test_a_million_and_a_token_are_two_spellings_of_one_price():
    million = only(csv("a/small,2026-04-01,per_million,1,4,,"))
    token = only(csv("a/small,2026-04-01,per_token,0.000001,0.000004,,"))
    assert million.row.rates == token.row.rates
    assert million.row.rates["input"] == Decimal("0.000001")
    assert million.row.valid_from == dt.datetime(2026, 4, 1, tzinfo=dt.UTC)
    assert million.verdict == "new"


def test_searches_and_requests_are_priced_each_whatever_the_unit():
    row = only(
        csv("a/s,per_million,1,4,0.01", header="model,unit,input,output,web_search")
    )
    assert row.row.rates["web_search"] == Decimal("0.01")


def test_what_changes_is_told_in_percent():
    row = only(csv("a/small,,per_million,1.25,3,,"), known())
    assert row.verdict == "changed"
    assert row.percent == {"input": Decimal("25.00"), "output": Decimal("-25.00")}
    assert row.sentences == ("input +25.00%, output -25.00%",)
    assert row.valid_from == NOW


def test_what_the_book_says_already_is_the_same():
    assert only(csv("a/small,,per_million,1,4,,"), known()).verdict == "same"


def test_a_row_is_compared_with_what_it_supersedes():
    later = known(valid_from=MARCH + dt.timedelta(days=90), input="0.000002")
    content = csv("a/small,2026-04-01,per_million,1,4,,")
    assert only(content, later, known()).verdict == "same"
    assert only(csv("a/small,,per_million,1,4,,"), later, known()).verdict == "changed"


def test_a_price_of_the_same_moment_is_never_overwritten():
    row = only(csv("a/small,2026-03-01,per_million,1.1,4,,"), known())
    assert row.verdict == "invalid"


def test_a_price_of_the_past_says_that_calls_keep_their_cost():
    row = only(csv("a/small,2026-04-01,per_million,2,5,,"), known())
    assert "keep what they cost" in row.sentences[0]


DOUBTED = {
    "per million read as per token, new model": ("b/x,,per_token,1,4,,", "per million"),
    "per token read as per million, new model": (
        "b/x,,per_million,0.000001,0.000004,,",
        "per token",
    ),
    "per million read as per token": ("a/small,,per_token,1,4,,", "a million"),
    "per token read as per million": (
        "a/small,,per_million,0.000001,0.000004,,",
        "a million",
    ),
    "ten times as dear": ("a/small,,per_million,10,40,,", "factor of 10"),
    "a tenth": ("a/small,,per_million,0.1,0.4,,", "factor of 10"),
    "swapped": ("b/x,,per_million,4,1,,", "swapped"),
    "a cached read that is dearer": ("b/x,,per_million,1,4,1.1,", "cached read"),
    "free where it was not": ("a/small,,per_million,0,4,,", "would be free"),
    "free altogether": ("b/x,,per_million,0,0,,", "would be free"),
    "no price of output": ("b/x,,per_million,1,,,", "cost nothing"),
    "a tier of another unit": (
        'b/x,,per_million,1,4,,"{""tiers"": [{""above_input_tokens"": 200000, '
        '""prices"": {""input"": ""2""}}]}"',
        "> 200000",
    ),
    "a percentage for a multiplier": (
        'b/x,,per_million,1,4,,"{""geo_multiplier"": {""us"": 110}}"',
        "110 times",
    ),
}


@pytest.mark.parametrize(("line", "words"), DOUBTED.values(), ids=DOUBTED.keys())
def test_a_price_that_looks_wrong_is_suspicious(line, words):
    row = only(csv(line), known())
    assert row.verdict == "suspicious"
    assert words in " ".join(row.sentences)


def test_a_rate_or_a_tier_that_would_be_lost_is_suspicious():
    book = known(cache_read="0.0000001", schedule={"geo_multiplier": {"us": "1.1"}})
    row = only(csv("a/small,,per_million,1,4,,"), book)
    assert row.verdict == "suspicious"
    assert "cache_read" in " ".join(row.sentences)
    assert "geo_multiplier" in " ".join(row.sentences)


def test_embeddings_have_no_price_of_output_but_zero():
    assert only(csv("b/x,,per_million,0.02,0,,")).verdict == "new"


INVALID = {
    "less than any price": "a/s,,per_million,0.0000000000001,1,,",
    "negative": "a/s,,per_token,-1,1,,",
    "NaN": "a/s,,per_token,NaN,1,,",
    "infinity": "a/s,,per_token,Infinity,1,,",
    "an exponent": "a/s,,per_token,1e-6,1,,",
    "1e30": "a/s,,per_token,1e30,1,,",
    "thousands apart": 'a/s,,per_million,"1,000",1,,',
    "thousands by a space": "a/s,,per_million,1 000,1,,",
    "a comma for a point": 'a/s,,per_million,"2,5",1,,',
    "a currency": "a/s,,per_million,$5,1,,",
    "Arabic digits": "a/s,,per_million,١٢,1,,",
    "a formula": "a/s,,per_million,=1+1,1,,",
    "beyond reason": "a/s,,per_million,99999999999999999999,1,,",
    "an ambiguous day": "a/s,01/02/2026,per_million,1,2,,",
    "a serial date": "a/s,45000,per_million,1,2,,",
    "a moment without its zone": "a/s,2026-03-01T00:00:00,per_million,1,2,,",
    "a year of nobody": "a/s,9999-12-31,per_million,1,2,,",
    "the year 0": "a/s,0000-01-01,per_million,1,2,,",
    "no model": ",,per_million,1,2,,",
    "a model without provider": "small,,per_million,1,2,,",
    "a model that turns the text": "a/\u202eevil,,per_million,1,2,,",
    "no unit": "a/s,,,1,2,,",
    "a unit of another kind": "a/s,,per_thousand,1,2,,",
    "no rate": "a/s,,per_million,,,,",
    "JSON that is none": "a/s,,per_million,1,2,,{bad json",
    "JSON with NUL": 'a/s,,per_million,1,2,,"{""tiers"": ""\\u0000""}"',
    "tiers that are no list": 'a/s,,per_million,1,2,,"{""tiers"": 1}"',
    "a row that is short": "a/s,,per_million,1",
    "a row that is long": "a/s,,per_million,1,2,,,7",
}


@pytest.mark.parametrize("line", INVALID.values(), ids=INVALID.keys())
def test_a_row_that_means_nothing_is_invalid_and_named(line):
    good, bad = reviewed(csv("b/x,,per_million,1,4,,", line))
    assert good.verdict == "new"
    assert (bad.verdict, bad.row.line) == ("invalid", 3)
    assert all(sentence.strip() for sentence in bad.sentences)


@pytest.mark.parametrize("other", ["a/s", "a/S"])
def test_twins_name_each_other(other):
    rows = reviewed(csv("a/s,,per_million,1,2,,", f"{other},,per_million,1,2,,"))
    assert {row.verdict for row in rows} == {"invalid"}
    assert all("lines 2, 3" in row.sentences[0] for row in rows)


def test_one_model_may_have_two_prices_of_two_moments():
    rows = reviewed(
        csv("a/s,2026-01-01,per_million,1,2,,", "a/s,2026-02-01,per_million,1,3,,")
    )
    assert [row.verdict for row in rows] == ["new", "new"]


REFUSED = {
    "nothing": (b"", "empty_file"),
    "spaces": (b" \r\n ", "empty_file"),
    "a header alone": (csv(), "no_rows"),
    "an empty name": (csv("a,b,c", header="model,,input"), "invalid_header"),
    "a name twice": (csv("a,b,c", header="model,input,input"), "invalid_header"),
    "semicolons": (csv("a/s;1", header="model;input"), "missing_columns"),
    "HTML": (b"<table><tr><td>model</td></tr></table>", "missing_columns"),
    "no model": (csv("1,2", header="input,output"), "missing_columns"),
    "unknown columns": (csv("a/s,1", header="model,price"), "unknown_columns"),
    "a workbook": (b"PK\x03\x04rest", "type_mismatch"),
    "UTF-16": ("model,input".encode("utf-16"), "encoding"),
    "Latin 1": (b"model,input\na/\xe9,1", "encoding"),
    "NUL": (csv("a/s\0,1", header="model,input"), "nul_character"),
    "a quote that does not end": (csv('"a/s,1', header="model,input"), "parse_error"),
    "a cell of 200 kB": (csv("a" * 200_000 + ",1"), "field_too_long"),
    "too much": (b"model,input\n" + b'"' * MAX_BYTES, "payload_too_large"),
    "JSON that is none": (b"[{", "parse_error"),
    "deep JSON": (b"[" * 2000 + b"]" * 2000, "too_deep"),
    "JSON without rows": (b"[]", "no_rows"),
    "an object of something": (b'{"a": 1}', "unknown_columns"),
    "an object without models": (b'{"date": "x"}', "invalid"),
    "keys twice": (b'[{"model": "a/s", "model": "a/t"}]', "duplicate_key"),
    "NaN in JSON": (b'[{"model": "a/s", "input": NaN}]', "parse_error"),
    "too many": (csv(*("a/s,,,,,," for _ in range(MAX_ROWS + 1))), "too_many_rows"),
}


@pytest.mark.parametrize(("content", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_a_file_that_is_no_price_list_is_refused(content, code):
    with pytest.raises(FileRefused) as refusal:
        read(content)
    assert refusal.value.code == code
    assert refusal.value.status in (413, 415, 422)


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfmodel,input,output\r\na/s,1,4\r\na/t,1,4\r\n",
        b"model,input,output\ra/s,1,4\ra/t,1,4",
        b'MODEL , "input",output\n"a/s","1","4"\r\n\na/t,1 ,4',
        b'[{"model":"a/s","input":1,"output":4.0},{"model":"a/t","input":"1","output":4}]',
    ],
)
def test_spreadsheets_and_systems_may_write_as_they_do(content):
    rows = read(content, unit="per_million")
    assert [row.model for row in rows] == ["a/s", "a/t"]
    assert all(row.rates["output"] == Decimal("0.000004") for row in rows)
    assert not any(row.problems for row in rows)


def test_the_shipped_table_is_read_and_nothing_in_it_is_invalid():
    table = {"models": list(price_table.models().values())}
    rows = reviewed(json.dumps(table).encode())
    assert len(rows) == len(price_table.models())
    doubted = [row for row in rows if row.verdict != "new"]
    assert not doubted, [(row.row.model, row.sentences) for row in doubted]


def test_no_known_price_stays_plausible_in_the_wrong_unit():
    rates = [
        rate
        for fields in price_table.all_prices()
        for name in PER_TOKEN
        if (rate := fields[name])
    ]
    assert all(CHEAPEST <= rate <= DEAREST for rate in rates)
    assert not any(CHEAPEST <= rate * 1_000_000 <= DEAREST for rate in rates)
    assert not any(CHEAPEST <= rate / 1_000_000 <= DEAREST for rate in rates)


@given(st.binary(max_size=300))
def test_no_bytes_do_more_than_to_be_refused(content):
    with contextlib.suppress(FileRefused):
        assert reviewed(content, known())


@given(st.text(max_size=40), st.sampled_from(["input", "valid_from", "model", "unit"]))
def test_no_cell_does_more_than_to_be_invalid(cell, column):
    cells = {"model": "a/s", "unit": "per_million", "input": "1", "output": "4"}
    content = json.dumps([{**cells, column: cell}]).encode()
    with contextlib.suppress(FileRefused):  # NUL
        assert only(content).verdict in ("new", "suspicious", "invalid")


@given(st.decimals("0.001", "1000", places=6), st.decimals("0.001", "1000", places=6))
def test_a_reviewed_price_is_what_was_typed(price_in, price_out):
    row = only(csv(f"b/x,,per_million,{price_in},{price_out},,")).row
    assert row.rates["input"] * 1_000_000 == price_in
    assert row.rates["output"] * 1_000_000 == price_out
