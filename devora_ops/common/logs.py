"""What the log says of refusals: one line, for a trace tells nobody more."""

import logging

_LONGEST = 200


def one_line(error: BaseException) -> str:
    """Return an error's words without line breaks, cut to what a line can bear."""
    return " ".join(str(error).split())[:_LONGEST]


class RefusalsOnOneLine(logging.Filter):
    """Drops the trace of what was answered by a 4xx: it is the caller's mistake.

    Django logs a bad Host, too many fields and its like with all of its own stack.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Shorten the record; let every one through."""
        status = getattr(record, "status_code", None)
        if isinstance(status, int) and status < 500:
            record.exc_info = record.exc_text = None
            record.msg, record.args = " ".join(record.getMessage().split()), ()
            if record.levelno > logging.WARNING:
                record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True
