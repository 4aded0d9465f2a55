"""A log's lines as people read them: ours are JSON, servers write their own."""

import json
import re
from dataclasses import dataclass

_TELLING = re.compile(rb"\b(ERROR|CRITICAL|FATAL|PANIC)\b")
_ERRORS = ("error", "critical")


@dataclass(frozen=True, slots=True)
class LogLine:
    """What a line says: whether it is an error, its words, and whether we wrote it."""

    is_error: bool
    text: str
    is_ours: bool = False


def read_line(line: bytes) -> LogLine:
    """Read a line of any log."""
    try:
        told = json.loads(line) if line.startswith(b"{") else None
    except ValueError:  # the end of a file may be torn
        told = None
    if not isinstance(told, dict) or "event" not in told:
        text = line.decode(errors="replace")
        return LogLine(bool(_TELLING.search(line)), text)
    return LogLine(told.get("level") in _ERRORS, _words(told), is_ours=True)


def _words(told: dict[str, object]) -> str:
    """Return the logger, the event, what was raised, and whose request it was."""
    words = [f"{told.get('logger', '')} {told['event']}".strip()]
    if trace := str(told.get("exception", "")).strip():
        words.append(f"({trace.splitlines()[-1]})")
    if request := told.get("request_id"):
        words.append(f"[request {request}]")
    return " ".join(words)
