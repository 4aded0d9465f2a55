"""The children's log files: bounded, and their errors brought to the terminal."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from devora_ops.embedded.log_reading import read_line

_LARGEST = 10 << 20
_LINE = 300
_LINES_A_MINUTE = 12


class LogWatch:
    """Looks at every `*.log` of a folder, from where it ended at the last look."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._say = say
        self._read_to = {path: path.stat().st_size for path in folder.glob("*.log")}
        self._minute = 0
        self._said = 0

    def look(self) -> None:
        """Say new lines of errors, and cut logs that have grown too long."""
        for path in self._folder.glob("*.log"):
            size, seen = path.stat().st_size, self._read_to.get(path, 0)
            if size > seen:
                self._surface(path, seen)
            self._read_to[path] = size
            if size > _LARGEST:
                self._cut(path)

    def _surface(self, path: Path, seen: int) -> None:
        with path.open("rb") as file:
            file.seek(seen)
            new = file.read(1 << 20)
        for line in map(read_line, new.splitlines()):
            if line.is_error and self._may_speak():
                self._say(f"{path.stem}: {line.text[:_LINE]}")

    def _may_speak(self) -> bool:
        """Whether the terminal can bear another line; the log has them all."""
        minute = int(time.monotonic() // 60)
        if minute != self._minute:
            self._minute, self._said = minute, 0
        self._said += 1
        if self._said == _LINES_A_MINUTE:
            self._say(f"More errors are in {self._folder}.")
        return self._said < _LINES_A_MINUTE

    def _cut(self, path: Path) -> None:
        """Keep one older file. Children append, so an emptied file goes on at 0;

        what is written between the two steps is lost.
        """
        shutil.copyfile(path, path.with_suffix(".log.1"))
        with path.open("r+b") as file:
            file.truncate(0)
        self._read_to[path] = 0
