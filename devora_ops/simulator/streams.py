"""A stream of steps, bent as the model's name says, and written as network writes."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import pairwise

import orjson

from devora_ops.simulator.behaviours import Script
from devora_ops.simulator.faults import RefusalError, fault
from devora_ops.simulator.latency import Pace
from devora_ops.simulator.wire import Event, Step, Wire

Steps = Iterable[Step]

_HUGE = b'{"padding":"' + b"x" * 10_000_000 + b'"}'
_BROKEN = b'{"id":"broken","choices":[{"index":0,"delta":{"con'
_COMMENT = Step((Event(b"keep-alive", comment=True),))


def bend(steps: Steps, *, script: Script, pace: Pace, wire: Wire) -> Iterator[Step]:
    """Apply the script to a well-behaved stream. pace: of the content chunks."""
    if pace.per_token_s:
        steps = _paced(steps, pace.per_token_s)
    for applies, bent in _BENDS:
        if applies(script):
            steps = bent(steps, script, wire)
    return iter(steps)


def writes(step: Step, script: Script) -> list[bytes]:
    """Return the network writes of one step; several are sent with pauses."""
    data = b"".join(encode(event, script) for event in step.events)
    if script.split_utf8:
        return _cut_inside_characters(data)
    if script.split_bytes:
        return [*_pieces(data, script.split_bytes)]
    return [data]


def encode(event: Event, script: Script) -> bytes:
    """Return an event as bytes, its closing blank line included."""
    end = b"\r\n" if script.crlf else b"\n"
    if event.comment:
        return b": " + event.data + end + end
    data = event.data
    if script.multiline and data.startswith(b"{"):
        data = orjson.dumps(orjson.loads(data), option=orjson.OPT_INDENT_2)
        data = data.replace(b"\n", end + b"data: ")
    name = b"event: " + event.name + end if event.name else b""
    return name + b"data: " + data + end + end


def _paced(steps: Steps, per_token_s: float) -> Iterator[Step]:
    for step in steps:
        pause_s = step.tokens * per_token_s
        yield replace(step, pause_s=pause_s) if pause_s else step


def _gaps(steps: Steps, script: Script, _wire: Wire) -> Iterator[Step]:
    first = True
    for step in steps:
        waits = step.content and not first
        yield replace(step, pause_s=script.gap_ms / 1000) if waits else step
        first = first and not step.content


def _comments(steps: Steps, _script: Script, _wire: Wire) -> Iterator[Step]:
    for step in steps:
        if step.content:
            yield _COMMENT
        yield step


def _until_content(steps: Iterator[Step], count: int) -> Iterator[Step]:
    """Take steps up to and including the count-th content chunk."""
    while count > 0:
        step = next(steps, None)
        if step is None:
            return
        count -= step.content
        yield step


def _silence(steps: Steps, script: Script, _wire: Wire) -> Iterator[Step]:
    steps = iter(steps)
    yield from _until_content(steps, 1)
    yield Step(pause_s=script.silence_s)
    yield from steps


def _hold_after(steps: Steps, script: Script, _wire: Wire) -> Iterator[Step]:
    steps = iter(steps)
    yield from _until_content(steps, script.hold_after or 0)
    yield Step(hold=True)
    yield from steps


def _huge_line(steps: Steps, _script: Script, _wire: Wire) -> Iterator[Step]:
    steps = iter(steps)
    yield from _until_content(steps, 1)
    yield Step((Event(_HUGE),))
    yield from steps


def _malformed(steps: Steps, _script: Script, _wire: Wire) -> Iterator[Step]:
    yield from _until_content(iter(steps), 1)
    yield Step((Event(_BROKEN),))


def _cut(steps: Steps, script: Script, _wire: Wire) -> Iterator[Step]:
    yield from _until_content(iter(steps), script.cut_after or 0)
    yield Step(cut=True)


def _error(steps: Steps, script: Script, wire: Wire) -> Iterator[Step]:
    position = 0
    for step in _until_content(iter(steps), script.error_after or 0):
        position += sum(not event.comment for event in step.events)
        yield step
    yield Step((wire.error_event(RefusalError(fault(503)), position),))


def _omit_done(steps: Steps, _script: Script, _wire: Wire) -> Iterator[Step]:
    return (step for step in steps if not step.last)


def _after_done(steps: Steps, _script: Script, _wire: Wire) -> Iterator[Step]:
    content: Step | None = None
    for step in steps:
        content = step if step.content else content
        yield step
    if content is not None:
        yield replace(content, tokens=0, content=False)


def _glued(steps: Steps, _script: Script, _wire: Wire) -> Iterator[Step]:
    """Join each two neighbouring content chunks into one write."""
    steps = iter(steps)
    for step in steps:
        following = next(steps, None) if step.content else None
        if following is None:
            yield step
        elif following.content:
            tokens = step.tokens + following.tokens
            yield replace(step, events=step.events + following.events, tokens=tokens)
        else:
            yield from (step, following)


_Bend = Callable[[Steps, Script, Wire], Iterator[Step]]
_BENDS: tuple[tuple[Callable[[Script], bool], _Bend], ...] = (
    (lambda script: script.gap_ms > 0, _gaps),
    (lambda script: script.comments, _comments),
    (lambda script: script.silence_s > 0, _silence),
    (lambda script: script.hold_after is not None, _hold_after),
    (lambda script: script.huge_line, _huge_line),
    (lambda script: script.malformed, _malformed),
    (lambda script: script.cut_after is not None, _cut),
    (lambda script: script.error_after is not None, _error),
    (lambda script: script.omit_done, _omit_done),
    (lambda script: script.after_done, _after_done),
    (lambda script: script.glued, _glued),
)


def _cut_inside_characters(data: bytes) -> list[bytes]:
    """Split after the first byte of every character that has several."""
    edges = [0, *(at + 1 for at, byte in enumerate(data) if byte >= 0xC0), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def _pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))
