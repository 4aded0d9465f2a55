"""JSON from strangers: what passes, what is refused, and with which code."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devora_ops.common.strict_json import StrictJSONError, loads


def _nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


REFUSED = {
    "empty": (b"", "parse_error"),
    "truncated": (b'{"name":"a"', "parse_error"),
    "single quotes": (b"{'a': 1}", "parse_error"),
    "two documents": (b"{}{}", "parse_error"),
    "overlong UTF-8": (b'{"a":"\xc0\x80"}', "parse_error"),
    "byte order mark": (b"\xef\xbb\xbf{}", "parse_error"),
    "NaN": (b'{"k":NaN}', "parse_error"),
    "infinity": (b'{"k":-Infinity}', "parse_error"),
    "float beyond double": (b"[1e999]", "parse_error"),
    "integer of 5000 digits": (b'{"n":' + b"9" * 5000 + b"}", "parse_error"),
    "integer beyond 64 bits": (b'{"n":18446744073709551616}', "parse_error"),
    "negative beyond 64 bits": (b"[-9223372036854775809]", "parse_error"),
    "only openers": (b"[" * 100_000, "parse_error"),
    "33 levels": (_nested(33), "too_deep"),
    "1000 levels": (_nested(1000), "too_deep"),
    "2000 levels": (b'{"metadata":' + _nested(2000) + b"}", "too_deep"),
    "NUL in a text": (b'{"a":{"b":["\\u0000"]}}', "nul_character"),
    "NUL in a key": (b'{"a\\u0000":1}', "nul_character"),
    "lone high surrogate": (b'{"k":"\\ud800"}', "surrogate"),
    "lone low surrogate": (b'{"k":"\\udc00"}', "surrogate"),
    "surrogates in wrong order": (b'"\\udc00\\ud800"', "surrogate"),
    "a key twice": (b'{"limit":1,"limit":1000}', "duplicate_key"),
    "a key twice, deeper": (b'{"a":[{"b":1,"b":{"c":2}}]}', "duplicate_key"),
    "a key twice, once escaped": (b'{"a":1,"\\u0061":2}', "duplicate_key"),
    "a key twice, hidden by a colon": (b'{"a":1,"a":"\\u003A"}', "duplicate_key"),
    "10001 keys": (
        json.dumps({str(n): n for n in range(10_001)}).encode(),
        "too_many_keys",
    ),
}


@pytest.mark.parametrize(("body", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_it_refuses(body, code):
    with pytest.raises(StrictJSONError) as refusal:
        loads(body)
    assert refusal.value.code == code


PASSED = {
    "64-bit integers": b"[18446744073709551615,-9223372036854775808]",
    "digits in a text": b'{"id":"123456789012345678901234567890"}',
    "colons in texts": b'{"a:":"::","b":{"c:d":":"}}',
    "an escaped colon": b'{"a":"\\u003a","b":1}',
    "an escaped backslash before u0000": b'{"a":"\\\\u0000"}',
    "brackets in a text": json.dumps({"code": "[{(" * 100}).encode(),
    "32 levels": _nested(32),
    "10000 keys": json.dumps({str(n): n for n in range(10_000)}).encode(),
    "emoji with joiners": '{"a":"👩‍👩‍👧‍👦"}'.encode(),
    "a surrogate pair": b'"\\ud83d\\ude00"',
    "a noncharacter": b'"\\uffff"',
    "a bare number": b"1",
}


@pytest.mark.parametrize("body", PASSED.values(), ids=PASSED.keys())
def test_it_reads_as_python_does(body):
    assert loads(body) == json.loads(body)


def test_it_names_the_place_of_a_nul():
    with pytest.raises(StrictJSONError) as refusal:
        loads(b'{"metadata":{"tags":["a","\\u0000"]}}')
    assert refusal.value.path == "metadata.tags.1"


def test_nul_passes_where_text_is_only_handed_on():
    assert loads(b'["\\u0000"]', allow_nul=True) == ["\0"]


def test_size_and_depth_are_the_callers_choice():
    with pytest.raises(StrictJSONError, match="9 bytes"):
        loads(b'"12345678"', max_bytes=9)
    assert loads(_nested(40), max_depth=40)


_documents = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner)
    ),
    max_leaves=20,
)


@given(_documents, st.booleans())
def test_what_python_writes_comes_back(document, ascii_only):
    written = json.dumps(document, ensure_ascii=ascii_only).encode()
    assert loads(written, allow_nul=True, max_depth=100) == document


@given(st.lists(st.sampled_from(["a", "b", ":", '"', "c:d"]), min_size=1))
def test_any_repeated_key_is_found(keys):
    body = "{" + ",".join(f"{json.dumps(key)}:{json.dumps(key)}" for key in keys) + "}"
    if len(set(keys)) == len(keys):
        assert set(loads(body.encode())) == set(keys)
    else:
        with pytest.raises(StrictJSONError, match="twice"):
            loads(body.encode())
