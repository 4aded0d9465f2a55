"""Bodies that must not be taken: status, code and shape, and nothing written."""

import json

import pytest

from costs.models import Budget
from tests.api.callers import as_key, codes_of

pytestmark = pytest.mark.django_db

BUDGETS = "/api/v1/budgets/"
GOOD = {"name": "Care", "limit_usd": "10", "period": "month"}


@pytest.fixture
def api():
    return as_key("admin")


def post(api, body, content_type="application/json", **headers):
    return api.generic("POST", BUDGETS, body, content_type, **headers)


def body_with(**changes):
    return json.dumps({**GOOD, **changes})


def raw_body_with(name, raw):
    return body_with(**{name: "@"}).replace('"@"', raw)


REFUSED_BODIES = {
    "A001": ("", {"required"}),
    "A002": ('{"name":"a"', {"parse_error"}),
    "A004": ("[]", {"invalid"}),
    "A007": ("[" * 100_000, {"parse_error"}),
    "A008": (raw_body_with("scope", "[" * 2000 + "]" * 2000), {"too_deep"}),
    "A011": (body_with(scope={"team\0": "a"}), {"nul_character"}),
    "A012": (body_with(scope={"team": "\ud800"}), {"surrogate"}),
    "A013": (raw_body_with("scope", '{"team": NaN}'), {"parse_error"}),
    "A016": (body_with(scope={str(n): n for n in range(10_001)}), {"too_many_keys"}),
    "A017": ('{"limit_usd":1,"limit_usd":1000}', {"duplicate_key"}),
    "A021": ("{'name': 'a'}", {"parse_error"}),
    "A025": (b'{"name":"\xc0\x80"}', {"parse_error"}),
    "A039": (body_with(period="Monthly"), {"invalid_choice"}),
    "A042": (body_with(scope="a"), {"invalid"}),
    "A044": (body_with(limit_usd="1e3"), {"invalid"}),
    "A045": (body_with(limit_usd="NaN"), {"invalid"}),
    "A063": (body_with(name="a\0b"), {"nul_character"}),
    "A065": (body_with(name="\udc00"), {"surrogate"}),
    "A069": (body_with(name="\u200b\u200b"), {"blank"}),
    "A070": (body_with(name="\u202eevil"), {"control_character"}),
    "A072": (body_with(name="\u001b[31mred"), {"control_character"}),
    "A073": (body_with(name="a\r\nX-Injected: 1"), {"control_character"}),
    "A074": (body_with(name="a" * 101), {"max_length"}),
    "A088": (body_with(limit_usd="-1"), {"min_value"}),
    "A092": (raw_body_with("limit_usd", "9" * 5000), {"parse_error"}),
    "A095": (raw_body_with("limit_usd", "NaN"), {"parse_error"}),
    "A097": (body_with(limit_usd=True), {"invalid"}),
    "A105": (body_with(limit_usd={}), {"invalid"}),
    "hard is no word": (body_with(hard="yes"), {"invalid"}),
    "hard is no number": (body_with(hard=1), {"invalid"}),
    "name is no number": (body_with(name=5), {"invalid"}),
    "an unknown field": (body_with(limit=5), {"unknown_field"}),
    "an unknown scope": (body_with(scope={"planet": "x"}), {"unknown_field"}),
    "an unknown zone": (body_with(time_zone="Mars/Base"), {"invalid"}),
    "a path for a zone": (body_with(time_zone="../../etc/passwd"), {"invalid"}),
    "too many places": (body_with(limit_usd="0.0000000001"), {"max_decimal_places"}),
    "too much money": (body_with(limit_usd="1" + "0" * 11), {"max_whole_digits"}),
}


@pytest.mark.parametrize(
    ("body", "codes"), REFUSED_BODIES.values(), ids=REFUSED_BODIES.keys()
)
def test_a_body_is_refused(api, body, codes):
    answer = post(api, body)
    assert answer.status_code == 400
    assert codes_of(answer) == codes
    assert not Budget.objects.exists()


def test_an_empty_body_names_every_required_field(api):
    errors = post(api, "").json()["errors"]
    assert {error["attr"] for error in errors} == {"name", "limit_usd", "period"}


def test_a_body_of_three_megabytes_is_413(api):
    answer = post(api, body_with(name="a" * 3_000_000))
    assert answer.status_code == 413
    assert codes_of(answer) == {"payload_too_large"}


FORM = "&".join(f"f{n}=1" for n in range(1200))
REFUSED_TYPES = {
    "A027": ("<a/>", {"content_type": "text/xml"}),
    "A028": (body_with(), {"content_type": ""}),
    "A029": (body_with(), {"content_type": "application/json; charset=bogus"}),
    "A029 utf-16": (body_with(), {"content_type": "application/json; charset=utf-16"}),
    "A029 zip": (body_with(), {"content_type": "application/json; charset=bz2"}),
    "A030": (b"\x1f\x8b" + b"\0" * 10_000, {"HTTP_CONTENT_ENCODING": "gzip"}),
    "A031": ("x", {"content_type": "multipart/form-data"}),
    "A032": (FORM, {"content_type": "application/x-www-form-urlencoded"}),
    "text for JSON": (body_with(), {"content_type": "text/plain"}),
}


@pytest.mark.parametrize(
    ("body", "headers"), REFUSED_TYPES.values(), ids=REFUSED_TYPES.keys()
)
def test_a_body_of_another_kind_is_415(api, body, headers):
    answer = post(api, body, **headers)
    assert answer.status_code == 415
    assert codes_of(answer) == {"unsupported_media_type"}
    assert not Budget.objects.exists()


@pytest.mark.parametrize("length", ["-1", "abc", "1e3", "+5"])
def test_a_length_that_is_none_is_400(api, length):
    answer = post(api, body_with(), CONTENT_LENGTH=length)
    assert answer.status_code == 400
    assert codes_of(answer) == {"bad_request"}


def test_a_body_without_a_length_is_411(api):
    answer = post(api, "", HTTP_TRANSFER_ENCODING="chunked")
    assert answer.status_code == 411
    assert codes_of(answer) == {"length_required"}


TAKEN_NAMES = {
    "A078": "👩‍👩‍👧‍👦",
    "A079": "<script>alert(1)</script>",
    "A080": "{{7*7}}",
    "A082": '=HYPERLINK("http://e")',
    "A083": "\uffff",
}


@pytest.mark.parametrize("name", TAKEN_NAMES.values(), ids=TAKEN_NAMES.keys())
def test_a_name_comes_back_as_it_was_sent(api, name):
    answer = post(api, body_with(name=name))
    assert answer.status_code == 201
    assert api.get(f"{BUDGETS}{answer.json()['id']}/").json()["name"] == name
