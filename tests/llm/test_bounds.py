"""What a body's bytes say of its text."""

import base64
import random

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm.gateway.bounds import text_size, web_searches_bound


@given(st.text())
def test_text_counts_whole(text: str):
    raw = orjson.dumps({"content": " ".join(text)})
    assert text_size(raw) == len(raw)


@given(st.integers(6000, 90_000), st.text(alphabet="some words", max_size=99))
def test_a_picture_does_not_count(size: int, text: str):
    data = base64.b64encode(random.Random(size).randbytes(size)).decode()
    url = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
    source = {"type": "image", "source": {"type": "base64", "data": data}}
    for part in (url, source):
        without = len(orjson.dumps([text, part])) - len(data)
        assert without <= text_size(orjson.dumps([text, part])) <= without + 2


@pytest.mark.parametrize("most", [-100_000, 10**14, True, "5", None, 1.5])
def test_a_told_number_of_searches_that_makes_no_sense_is_the_usual_one(most: object):
    tool = {"type": "web_search_20250305", "name": "web_search"}
    usual = web_searches_bound({"tools": [tool]})
    assert web_searches_bound({"tools": [{**tool, "max_uses": most}]}) == usual
    assert web_searches_bound({"tools": [{**tool, "max_uses": 3}]}) == 3
