"""One shape for every line that a process logs: ours, Django's, Celery's, uvicorn's.

JSON, or coloured words on a terminal: the time in UTC, the level, the logger, what
happened, and whom it happened to. Secrets are taken out last, whoever logged them.
"""

import logging
import logging.config
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from structlog.contextvars import merge_contextvars
from structlog.stdlib import ExtraAdder, ProcessorFormatter
from structlog.types import EventDict, Processor, WrappedLogger

from devora_ops.common.redaction import Redactor
from devora_ops.common.serving import SERVED

# What a line may say besides; anything else that a library passes stays out, for it
# may hold a request, its headers or a task's arguments.
_EXTRA = ("request_id", "status", "model", "attempts", "duration_ms")
_FIRST = (
    *("time", "level", "logger", "event", "request_id", "call_id", "agent"),
    *("user_id", "task", "task_id"),
)
# Made by us or by the clock: no secret gets there.
_OURS = frozenset(
    ("time", "level", "logger", "request_id", "call_id", "user_id", "task_id")
)
_KEPT = frozenset((*_FIRST, *_EXTRA, "parent_task_id", "stack", "exception"))
_MOST_TEXT = 2_000
_MOST_TRACE = 12_000
_MOST_ITEMS = 20
_MOST_READ = 100_000  # of a text that is cut anyway
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_BREAKS = re.compile(r"[\n\t]")

_LEVELS = {
    # These say what is sent and received, bodies and headers too, or a line a request.
    **dict.fromkeys(("httpx", "httpcore", "openai", "kombu", "amqp"), "WARNING"),
    **dict.fromkeys(("asyncio", "celery", "uvicorn.error"), "WARNING"),
    "celery.app.trace": "CRITICAL",  # django-structlog tells of failed tasks
}
# Whoever starts these gives them handlers of their own; ours is the root's.
_TAKEN_OVER = ("uvicorn", "uvicorn.access", "django", "django.server")


def logging_config(*, as_json: bool, secrets: Iterable[str] = ()) -> dict[str, Any]:
    """Return Django's LOGGING. secrets: what no line may hold, whatever it looks like."""
    cleaning = _Cleaning(Redactor(secrets), escape=not as_json)
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": ProcessorFormatter,
                "foreign_pre_chain": [*_TOLD, ExtraAdder(_EXTRA)],
                "processors": [
                    ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    cleaning,
                    _as_json() if as_json else _as_words(),
                ],
            }
        },
        "filters": {
            "refusals": {"()": "devora_ops.common.logs.RefusalsOnOneLine"},
            "replacements": {"()": "devora_ops.common.logs.Replacements"},
            "seldom": {"()": "devora_ops.common.logs.Seldom"},
        },
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "formatter": "line",
                "filters": ["refusals"],
            }
        },
        "loggers": {
            **{name: {"handlers": [], "propagate": True} for name in _TAKEN_OVER},
            **{
                name: {"handlers": [], "level": level}
                for name, level in _LEVELS.items()
            },
            # Each pool tries again and again to connect while Postgres is away.
            "psycopg.pool": {"filters": ["replacements", "seldom"]},
        },
        "root": {"handlers": ["console"], "level": "INFO"},
    }


def configure(config: dict[str, Any]) -> None:
    """Set logging up: what Django calls with LOGGING, and Celery through it."""
    logging.config.dictConfig(config)
    logging.captureWarnings(True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_TOLD,
            ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def _as_json() -> Processor:
    return structlog.processors.JSONRenderer()


def _as_words() -> Processor:
    return structlog.dev.ConsoleRenderer(
        timestamp_key="time",
        sort_keys=False,
        pad_event_to=0,
        exception_formatter=structlog.dev.plain_traceback,
    )


def _add_served(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    if (served := SERVED.get()) is not None:
        event.update(served.log_fields())
    return event


# What is asked of a line before anything is known of its reader.
_TOLD: list[Processor] = [
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    merge_contextvars,
    _add_served,
]


class _Cleaning:
    """Orders a line's fields, bounds them, and takes secrets out of them.

    escape: show control characters, which could write over a terminal's lines.
    """

    def __init__(self, redact: Redactor, *, escape: bool) -> None:
        self._redact = redact
        self._escape = escape

    def __call__(
        self, logger: WrappedLogger, name: str, event: EventDict
    ) -> Mapping[str, Any]:
        names = [name for name in _FIRST if name in event]
        names += [name for name in event if name in _KEPT and name not in _FIRST]
        return {name: self._clean(name, event[name]) for name in names}

    def _clean(self, name: str, value: Any) -> Any:
        if value is None or isinstance(value, int) or name in _OURS:
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)
        if isinstance(value, list | tuple):
            return [self._clean(name, each) for each in value[:_MOST_ITEMS]]
        if name in ("exception", "stack"):
            return self._trace(str(value))
        text = self._safe(str(value)[:_MOST_READ])
        text = _BREAKS.sub(" ", text) if self._escape else text
        return text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]} …"

    def _trace(self, text: str) -> str:
        """Keep the end, which says what happened."""
        text = self._safe(text[-_MOST_READ:])
        return text if len(text) <= _MOST_TRACE else f"… {text[-_MOST_TRACE:]}"

    def _safe(self, text: str) -> str:
        """Return what may be shown, before it is cut: half a secret is not known."""
        text = self._redact(text)
        return _CONTROL.sub(_escaped, text) if self._escape else text


def _escaped(match: re.Match[str]) -> str:
    return f"\\x{ord(match.group()):02x}"
