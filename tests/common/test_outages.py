"""What is said of something that is away: little, however many notice."""

import itertools
import logging

import pytest

from devora_ops.common.logs import Outage, Seldom

log = logging.getLogger("[Test]")


def tenths_of_a_second():
    """Return a clock that goes on whenever somebody looks."""
    ticks = itertools.count()
    return lambda: next(ticks) / 10


@pytest.fixture
def said(caplog):
    return lambda: [record.getMessage() for record in caplog.records]


def test_an_outage_is_said_once_and_so_is_its_end(said):
    outage = Outage(log, "Postgres")
    for _ in range(100):
        outage.noticed(OSError("refused\nto connect"))
    for _ in range(100):
        outage.over()
    assert said() == ["Postgres is away: refused to connect", "Postgres is back"]


def test_an_error_without_words_is_named(said):
    Outage(log, "Postgres").noticed(TimeoutError())
    assert said() == ["Postgres is away: TimeoutError"]


def test_what_comes_and_goes_is_told_of_now_and_then(said):
    outage = Outage(log, "Postgres", clock=tenths_of_a_second())
    for _ in range(590):  # not quite a minute
        outage.noticed(OSError("refused"))
        outage.over()
    assert len(said()) == 2 * 2


def test_a_sentence_is_let_through_twice_a_minute():
    seldom = Seldom(clock=tenths_of_a_second())
    passed = 0
    for number in range(590):
        record = log.makeRecord(
            "psycopg.pool", logging.WARNING, "", 0, "cannot: %s", (number,), None
        )
        passed += seldom.filter(record)
    assert passed == 2


def test_another_sentence_is_not_held_back():
    seldom = Seldom()
    records = [
        log.makeRecord("psycopg.pool", logging.WARNING, "", 0, text, (), None)
        for text in ("one", "two")
    ]
    assert all(map(seldom.filter, records))
