"""Files that are either whole or absent, and read by nobody but us."""

import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step, mode 0600, safe against a crash at any moment."""
    os.replace(_written_beside(path, text), path)
    _sync_folder(path.parent)


def write_private_once(path: Path, text: str) -> bool:
    """Make a file unless it exists; False when somebody else was first."""
    beside = _written_beside(path, text)
    try:
        os.link(beside, path)
    except FileExistsError:
        return False
    finally:
        beside.unlink()
    _sync_folder(path.parent)
    return True


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a file of ours; empty when it is missing or damaged."""
    with suppress(OSError, ValueError):
        value = json.loads(path.read_bytes())
        if isinstance(value, dict):
            return value
    return {}


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Replace a file with an object as JSON."""
    write_private(path, json.dumps(value, indent=1) + "\n")


def _written_beside(path: Path, text: str) -> Path:
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(number, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        os.unlink(name)
        raise
    return Path(name)


def _sync_folder(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
