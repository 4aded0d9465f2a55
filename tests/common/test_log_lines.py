"""What a line looks like, for programs and on a terminal."""

import io
import json
import logging
import logging.config
import math
import warnings

import pytest
import structlog

from devora_ops.common import log_lines
from devora_ops.common.serving import SERVED

CANARY = "a secret known by heart"


@pytest.fixture
def say():
    """Return a function that logs by our configuration and returns what was written."""
    logging.captureWarnings(False)  # another test may have left it on
    root = logging.getLogger()
    before = root.handlers[:], root.level
    structlog_before = structlog.get_config()
    # An earlier test's request was served in this thread.
    structlog.contextvars.clear_contextvars()
    served = SERVED.set(None)

    def say(*args, as_json=True, logger="[LLM]", level="warning", **fields):
        config = log_lines.logging_config(as_json=as_json, secrets=[CANARY])
        log_lines.configure(config)
        (handler,) = root.handlers
        handler.setStream(io.StringIO())
        getattr(logging.getLogger(logger), level)(*args, **fields)
        text = handler.stream.getvalue()
        return json.loads(text) if as_json else text

    yield say
    SERVED.reset(served)
    root.handlers[:], root.level = before
    structlog.configure(**structlog_before)
    logging.captureWarnings(False)
    structlog.contextvars.clear_contextvars()


def test_a_line_is_json_with_its_time_level_and_logger_first(say):
    line = say("%s went wrong", "something")
    assert list(line) == ["time", "level", "logger", "event"]
    assert line["time"].endswith("Z")
    assert line["level"] == "warning"
    assert line["logger"] == "[LLM]"
    assert line["event"] == "something went wrong"


def test_an_exception_is_one_field(say):
    try:
        raise ValueError("broken\nin two")
    except ValueError:
        line = say("it broke", level="exception")
    assert line["level"] == "error"
    assert line["event"] == "it broke"
    assert line["exception"].startswith("Traceback (most recent call last):")
    assert line["exception"].endswith("ValueError: broken\nin two")


def test_a_trace_keeps_its_end_and_is_bounded(say):
    try:
        raise ValueError("x" * 50_000 + "the end")
    except ValueError:
        line = say("it broke", level="exception")
    assert line["exception"].endswith("the end")
    assert len(line["exception"]) < 13_000


def test_a_line_is_bounded_whatever_somebody_says(say):
    assert len(json.dumps(say("%s", "é" * 10_000_000))) < 15_000


def test_what_a_library_adds_stays_out(say):
    """Django adds the request, Celery the arguments of a task."""
    line = say("hello", extra={"status": 502, "request": object(), "data": CANARY})
    assert line["status"] == 502
    assert line.keys() == {"time", "level", "logger", "event", "status"}


def test_lists_and_numbers_stay_what_they_are(say):
    line = say("hello", extra={"attempts": ["a"] * 30, "duration_ms": math.nan})
    assert line["attempts"] == ["a"] * 20
    assert line["duration_ms"] == "nan"


def test_who_is_served_is_asked_when_there_is_a_line(say):
    class Served:
        def log_fields(self):
            return {"request_id": "r1", "call_id": "c1", "agent": "a1"}

    token = SERVED.set(Served())
    try:
        line = say("hello")
    finally:
        SERVED.reset(token)
    assert list(line)[4:] == ["request_id", "call_id", "agent"]


def test_what_is_bound_is_on_the_line(say):
    structlog.contextvars.bind_contextvars(request_id="r2", task="a.task", password="p")
    line = say("hello")
    assert (line["request_id"], line["task"]) == ("r2", "a.task")
    assert "password" not in line


def test_loggers_of_structlog_come_out_alike(say):
    say("configures")
    (handler,) = logging.getLogger().handlers
    handler.setStream(io.StringIO())
    structlog.get_logger("lib").warning("hello", status=1)
    line = json.loads(handler.stream.getvalue())
    assert list(line) == ["time", "level", "logger", "event", "status"]
    assert line["logger"] == "lib"


def test_a_warning_of_python_is_a_line(say):
    say("configures")
    (handler,) = logging.getLogger().handlers
    handler.setStream(io.StringIO())
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.warn("old\nways", DeprecationWarning, stacklevel=1)
    line = json.loads(handler.stream.getvalue())
    assert line["logger"] == "py.warnings"
    assert "DeprecationWarning: old" in line["event"]


@pytest.mark.parametrize("text", ["\ud800", "\0", "\x1b[31m", "a\nb", '"', "é"])
def test_no_text_makes_a_line_that_is_no_json(say, text):
    assert say("%s", text)["event"] == text


def test_a_secret_is_taken_out_of_every_field(say):
    try:
        raise ValueError(CANARY)
    except ValueError:
        line = say("%s", CANARY, extra={"model": CANARY}, level="exception")
    assert line["event"] == line["model"] == "[secret]"
    assert line["exception"].endswith("ValueError: [secret]")


def test_a_secret_is_taken_out_before_a_text_is_cut(say):
    assert CANARY[:5] not in say("%s", "x" * 1990 + CANARY)["event"]


def test_on_a_terminal_it_is_coloured_words(say):
    text = say("%s went wrong", "it", as_json=False, extra={"status": 502})
    assert text.count("\n") == 1
    assert "\x1b[" in text
    assert "it went wrong" in text
    assert "[LLM]" in text


def test_on_a_terminal_nobody_writes_over_other_lines(say):
    text = say("%s", "a\x1b[2K\rb\nc\x9b", as_json=False)
    assert r"a\x1b[2K\x0db c\x9b" in text


def test_on_a_terminal_a_trace_keeps_its_lines(say):
    try:
        raise ValueError("broken")
    except ValueError:
        text = say("it broke", level="exception", as_json=False)
    assert "\nTraceback (most recent call last):\n" in text
    assert "ValueError: broken\n" in text


@pytest.mark.parametrize("logger", ["httpx", "openai", "uvicorn.error", "celery"])
def test_who_tells_of_everything_is_heard_from_warnings_on(say, logger):
    say("configures")
    assert not logging.getLogger(logger).isEnabledFor(logging.INFO)
    assert say("hello", logger=logger)["logger"] == logger
