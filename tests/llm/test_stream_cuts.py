"""Streams cut anywhere: what is said, and what it costs, does not depend on the pieces."""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import dropwhile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devora_ops.client._sse import Decoder, Event
from llm.gateway.codecs.chat import ChatStream
from llm.gateway.codecs.messages import MessagesStream
from llm.gateway.codecs.protocol import Ours, StreamCodec
from llm.gateway.codecs.translated import ChatOverMessagesStream, MessagesOverChatStream
from llm.gateway.sse import EventSplitter, data_of
from tests.fakes.recorded_upstream import Wanted
from tests.installation_under_test import Caller, Installation, wait_until
from tests.llm.cut_calls import (
    WIRES,
    CutCalls,
    assert_billed_alike,
    at_random,
    cut_calls,
)
from tests.llm.recordings import ALL, ANTHROPIC, LINE_ENDS, OPENAI, Recording, cut

OURS = Ours("01a", "0.1")
RECORDINGS = pytest.mark.parametrize("recording", ALL, ids=lambda it: it.kind)
ENDS = pytest.mark.parametrize("line_end", LINE_ENDS.values(), ids=list(LINE_ENDS))


def split(pieces: Any) -> list[bytes]:
    splitter = EventSplitter()
    events = [event for piece in pieces for event in splitter.feed(piece)]
    return [*events, last] if (last := splitter.rest()) else events


@RECORDINGS
@ENDS
def test_a_cut_at_any_byte_changes_no_event(recording: Recording, line_end: bytes):
    wire = recording.wire(line_end)
    events = [event.replace(b"\n", line_end) for event in recording.events]
    assert split([wire]) == events
    for at in range(len(wire)):
        assert split(cut(wire, [at])) == events, at
    for size in (1, 2, 3, 7, 1460):
        assert split(cut(wire, range(size, len(wire), size))) == events, size


@st.composite
def _mixed_wires(draw: Any) -> tuple[Recording, bytes, list[int]]:
    """A recording whose lines end in all three ways, and where it is cut."""
    recording = draw(st.sampled_from(ALL))
    wire = b""
    for line in b"\n\n".join((*recording.events, b"")).split(b"\n"):
        end = draw(st.sampled_from(list(LINE_ENDS.values())))
        # CR and LF behind each other are one line end, and no blank line.
        alone = not line and wire.endswith(b"\r") and end == b"\n"
        wire += line + (b"\r" if alone else end)
    offsets = draw(st.lists(st.integers(1, len(wire) - 1), max_size=60))
    return recording, wire, offsets


@given(_mixed_wires())
def test_line_ends_of_all_kinds_make_the_same_events(
    mixed: tuple[Recording, bytes, list[int]],
):
    recording, wire, offsets = mixed
    told = [data_of(event) for event in split(cut(wire, offsets))]
    assert told == [data_of(event) for event in recording.events]
    decoder = Decoder()  # the client's own: a second opinion
    theirs = [each for piece in cut(wire, offsets) for each in decoder.feed(piece)]
    assert [it.data.encode() for it in theirs if isinstance(it, Event)] == [
        data for data in told if data
    ]


@dataclass(frozen=True)
class Pair:
    """A stream as it comes and the format that its client speaks."""

    recording: Recording
    codec: Callable[[], StreamCodec]


PAIRS = {
    "chat": Pair(OPENAI, lambda: ChatStream(wants_usage=True)),
    "chat-comments": Pair(ALL[2], lambda: ChatStream(wants_usage=False)),
    "messages": Pair(ANTHROPIC, MessagesStream),
    "chat-over-messages": Pair(
        ANTHROPIC, lambda: ChatOverMessagesStream(wants_usage=True)
    ),
    "messages-over-chat": Pair(OPENAI, MessagesOverChatStream),
}


def run(codec: StreamCodec, pieces: Any) -> Sequence[bytes]:
    """Feed a stream as the relay does; return the client's events."""
    events: list[bytes] = []
    for event in split(pieces):
        events += codec.feed(event)
        if codec.ended:
            break
    assert codec.ended
    return [*events, *codec.finish(OURS)]


@pytest.mark.parametrize("name", PAIRS)
@given(st.data())
def test_text_usage_and_events_are_those_of_the_whole_stream(name: str, data: Any):
    pair = PAIRS[name]
    line_end = data.draw(st.sampled_from(list(LINE_ENDS.values())))
    wire = pair.recording.wire(line_end)
    offsets = data.draw(st.lists(st.integers(1, len(wire) - 1), max_size=40))
    codec = pair.codec()

    events = run(codec, cut(wire, offsets))

    assert codec.usage == pair.recording.usage
    assert codec.text == pair.recording.text or name == "chat-over-messages"
    whole = pair.codec()
    assert events == run(whole, [wire])
    assert codec.text == whole.text
    if "over" not in name:
        passed = pair.recording.passed(line_end)
        begun = [*dropwhile(lambda it: it.startswith(b":"), events)]
        assert begun[: len(passed)] == passed


@RECORDINGS
@ENDS
def test_the_last_event_counts_without_its_blank_line(
    recording: Recording, line_end: bytes
):
    wire = recording.wire(line_end)
    events = [event.replace(b"\n", line_end) for event in recording.events]
    for short in (wire.removesuffix(line_end), wire.removesuffix(2 * line_end)):
        assert split([short]) == events
        assert split(cut(short, range(1, len(short)))) == events


def test_blank_lines_before_and_between_events_are_nothing():
    assert split([b"\n\n\ndata: a\n\n\n\n\ndata: b\n\n\n"]) == [b"data: a", b"data: b"]
    assert split([b"\r\n\r\n\r\ndata: a\r\n\r\n\r\n"]) == [b"data: a"]


@pytest.mark.parametrize("field", [b"data:[DONE]", b"data: [DONE]", b"data:[DONE]\n:x"])
def test_the_space_behind_the_colon_is_optional(field: bytes):
    (event,) = split([field + b"\n\n"])
    stream = ChatStream(wants_usage=False)
    stream.feed(b'data: {"choices": [{"delta": {"content": "hi"}}]}')
    assert stream.feed(event) == ()
    assert stream.ended


@pytest.fixture(scope="module")
def calls(installation: Installation) -> Iterator[CutCalls]:
    with cut_calls(installation, installation.url) as calls:
        yield calls


def test_a_gateway_passes_on_what_came_in_pieces(
    installation: Installation, calls: CutCalls
):
    caller = installation.caller()
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 (shown when the test fails)
    dice = random.Random(seed)
    wanted = [at_random(dice, name) for name in WIRES for _ in range(8)]
    before = calls.upstream.pieces

    told = calls.run(caller, [*map(Wanted, WIRES), *wanted])

    pieces = sum(len(it.cuts) + 1 for it in wanted) + len(WIRES)
    assert calls.upstream.pieces - before == pieces
    assert [each for each in told if not each.is_true_to_its_bytes] == []
    rows = installation.attempts(caller, count=len(told))
    assert_billed_alike(rows)
    assert len({(row["model"], row["cost_usd"]) for row in rows}) == len(ALL)
    said = texts_of(installation, caller, count=len(told))
    assert set(said) == {recording.text for recording in ALL}


def texts_of(installation: Installation, caller: Caller, *, count: int) -> list[str]:
    """Return what the gateway kept of a caller's answers, once there are so many."""
    query = (
        "SELECT response FROM llm_content JOIN costs_call ON call_id = costs_call.id "
        "WHERE agent = %s"
    )
    wait_until(lambda: len(installation.rows(query, caller.agent)) == count)
    rows = installation.rows(query, caller.agent)
    return [json.loads(row["response"])["content"] for row in rows]


def test_a_stream_whose_last_blank_line_is_missing_is_whole(
    installation: Installation, calls: CutCalls
):
    caller = installation.caller()
    wanted = [
        Wanted(name, short=lacking * len(line_end))
        for name, (_, line_end) in WIRES.items()
        for lacking in (1, 2)
    ]

    told = calls.run(caller, wanted)

    assert [each for each in told if not each.is_true_to_its_bytes] == []
    assert_billed_alike(installation.attempts(caller, count=len(wanted)))


def test_a_stream_that_ends_inside_its_last_event_is_not_whole(
    installation: Installation, calls: CutCalls
):
    caller = installation.caller()
    wanted = [Wanted(name, short=len(b"E]\n\n")) for name in WIRES if "-lf" in name]

    for told in calls.run(caller, wanted):
        assert told.status == 200
        assert told.recording.events[-1] not in told.events
        assert b"error" in told.events[-1]
    rows = installation.attempts(caller, count=len(wanted))
    assert {row["error_code"] for row in rows} == {"stream_broken"}
