"""An answer's bytes in Redis."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm.gateway.cache_entry import Entry, decode, encode
from tests.llm.entries import entry


@given(
    st.builds(
        Entry,
        body=st.one_of(
            st.binary(max_size=100),
            st.binary(min_size=1, max_size=20).map(lambda part: part * 1000),
        ),
        made_at=st.floats(0, 1e10),
        expires_at=st.floats(0, 1e10),
        cost_usd=st.none() | st.decimals(0, 1000, allow_nan=False),
        model=st.text(max_size=50),
        call_id=st.text(max_size=40),
    )
)
def test_an_entry_is_the_same_after_its_way_through_redis(made: Entry):
    assert decode(encode(made)) == made


@given(st.binary(max_size=200))
def test_foreign_bytes_are_a_miss(data: bytes):
    found = decode(data)

    assert found is None or decode(encode(found)) == found


@pytest.mark.parametrize("body", [b"x" * 100, b"long " * 4000])
def test_a_value_that_was_cut_short_is_a_miss(body: bytes):
    whole = encode(entry(body))

    assert all(decode(whole[:length]) is None for length in range(len(whole)))


def test_long_bodies_are_kept_small_and_short_ones_as_they_are():
    text = b"an answer of a model is text and texts repeat themselves " * 200

    assert len(encode(entry(text))) < len(text) // 2
    assert b"short" in encode(entry(b"short"))
