"""Settlements that Postgres could not take, kept in a folder until it can.

Each append is a page, a file of its own with one settlement a line, on the disk before
append returns. Who writes or replays a page holds a lock on it, so processes that share
the folder never meet in one; a page posted twice counts once, as any settlement does.
"""

import datetime as dt
import fcntl
import logging
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

import orjson

from costs.facts import AttemptFact, CallFact, Settlement, Who
from costs.pricing import Usage
from devora_ops.common.ids import uuid7

log = logging.getLogger("[CostTracker]")

_PAGES = "*.jsonl"
_SET_ASIDE = ".refused"
# What a usage is made of; its sums are written beside them.
_TOKENS = frozenset(each.name for each in fields(Usage) if each.init)


@dataclass(slots=True)
class Page:
    """What was read of one page; `keep` it when not all of it could be posted."""

    path: Path
    settlements: list[Settlement]
    kept: bool = False

    def keep(self) -> None:
        """Set the page aside for a person, instead of removing it."""
        self.kept = True


class Journal:
    """The pages of one folder, which is made when it is first needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def append(self, settlements: Sequence[Settlement]) -> None:
        """Write a page; returns once it is on the disk. Raises OSError."""
        text = b"".join(map(encoded, settlements))
        self._folder.mkdir(mode=0o700, exist_ok=True)
        while not self._write(self._folder / f"{uuid7()}.jsonl", text):
            pass  # somebody took the new page for an empty one
        _sync(self._folder)

    def replay(self) -> Iterator[Page]:
        """Yield each page that nobody else has; removed once the next is asked for."""
        for path in sorted(self._folder.glob(_PAGES)):
            with _taken(path) as file:
                if file is not None:
                    yield (page := _read(path, file.read()))
                    _finish(page)

    def _write(self, path: Path, text: bytes) -> bool:
        with open(path, "xb", opener=_private) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not path.exists():
                return False
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        return True


def encoded(settlement: Settlement) -> bytes:
    """Return a settlement as one line of JSON; decimals are texts."""
    return orjson.dumps(settlement, default=str, option=orjson.OPT_APPEND_NEWLINE)


def decoded(line: bytes) -> Settlement:
    """Return the settlement of a line. Raises ValueError, TypeError, KeyError."""
    data = orjson.loads(line)
    call = data["call"]
    return Settlement(
        tuple(map(_attempt, data["attempts"])), None if call is None else _call(call)
    )


def _attempt(data: Mapping[str, Any]) -> AttemptFact:
    own = {
        "call_id": uuid.UUID(data["call_id"]),
        "settled_at": dt.datetime.fromisoformat(data["settled_at"]),
        "counters": tuple(data["counters"]),
        "book_usd": _decimal(data.get("book_usd")),
    }
    return AttemptFact(**{**data, **_common(data), **own})


def _call(data: Mapping[str, Any]) -> CallFact:
    own = {
        "finished_at": dt.datetime.fromisoformat(data["finished_at"]),
        "saved_usd": Decimal(data["saved_usd"]),
    }
    return CallFact(**{**data, **_common(data), **own})


def _common(data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": uuid.UUID(data["id"]),
        "who": Who(**data["who"]),
        "usage": Usage(**{n: v for n, v in data["usage"].items() if n in _TOKENS}),
        "cost_usd": _decimal(data["cost_usd"]),
    }


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _read(path: Path, text: bytes) -> Page:
    page = Page(path, [])
    for line in text.splitlines(keepends=True):
        try:
            page.settlements.append(decoded(line))
        except (ValueError, TypeError, KeyError, ArithmeticError) as error:
            if line.endswith(b"\n"):
                log.error("a line of %s cannot be read: %s", path, error)
                page.keep()
            else:  # its writer was killed; the sweeper settles that attempt
                log.warning("the last line of %s is torn", path)
    return page


def _finish(page: Page) -> None:
    if page.kept:
        log.error("%s could not be posted whole and is set aside", page.path)
        page.path.rename(page.path.with_suffix(_SET_ASIDE))
    else:
        page.path.unlink()


@contextmanager
def _taken(path: Path) -> Iterator[IO[bytes] | None]:
    """Open a page for us alone; None when another has it, or it is done with."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        yield None
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield file if path.exists() else None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _sync(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
