"""Event streams, however they are cut and whatever ends their lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devora_ops.client._sse import Comment, Decoder, Event

STREAM = (
    "\ufeff: devora hello\r\n"
    'data: {"text": "größer 🦊"}\n'
    "\n"
    "event: note\r"
    "data: first\r"
    "data:second\r"
    "\r"
    "id: 7\r\n"
    "retry: 100\r\n"
    "\r\n"
    ":\n"
    "data\n\n"
    "data: [DONE]\r\n\r\n"
)
EVENTS = [
    Comment("devora hello"),
    Event('{"text": "größer 🦊"}'),
    Event("first\nsecond", "note"),
    Comment(""),
    Event(""),
    Event("[DONE]"),
]


def decode(*chunks: bytes) -> list[Event | Comment]:
    decoder = Decoder()
    return [found for chunk in chunks for found in decoder.feed(chunk)]


def test_it_reads_a_stream_in_one_piece():
    assert decode(STREAM.encode()) == EVENTS


def test_it_reads_the_same_when_it_is_cut_anywhere_in_two():
    whole = STREAM.encode()
    for cut in range(len(whole) + 1):
        assert decode(whole[:cut], whole[cut:]) == EVENTS


def test_it_reads_the_same_byte_by_byte():
    assert decode(*(bytes([byte]) for byte in STREAM.encode())) == EVENTS


@given(st.sets(st.integers(0, len(STREAM.encode()))))
def test_it_reads_the_same_when_it_is_cut_in_many_pieces(cuts):
    whole = STREAM.encode()
    borders = [0, *sorted(cuts), len(whole)]
    pieces = [whole[a:b] for a, b in zip(borders, borders[1:], strict=False)]
    assert decode(*pieces) == EVENTS


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_an_event_is_given_as_soon_as_its_empty_line_is_there(end):
    decoder = Decoder()
    assert list(decoder.feed(f"data: now{end}".encode())) == []
    assert list(decoder.feed(end.encode())) == [Event("now")]
    assert list(decoder.feed(f"data: next{end}{end}".encode())) == [Event("next")]


def test_a_unicode_line_separator_ends_no_line():
    assert decode("data: a\u2028b\x85c\n\n".encode()) == [Event("a\u2028b\x85c")]


def test_an_unfinished_event_is_dropped():
    assert decode(b"data: whole\n\ndata: half\n") == [Event("whole")]


def test_bytes_that_are_no_utf8_are_replaced():
    assert decode(b"data: \xff!\n\n") == [Event("\ufffd!")]
