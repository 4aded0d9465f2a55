"""Whom the running task serves: lines that are logged meanwhile say so.

One variable, set once a call, costs what nobody notices; what it stands for is asked
only when there is a line.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Protocol


class Served(Protocol):
    """What can be told of who is served."""

    def log_fields(self) -> Mapping[str, Any]:
        """Return what a line says of it: ids and slugs, never a name or a text."""


SERVED: ContextVar[Served | None] = ContextVar("served", default=None)
