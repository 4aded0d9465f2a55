"""Children kept alive: started, watched, started again, stopped in order.

One loop in the main thread and no others: the kernel ties a child's life to the thread
that forked it (see embedded.process), and nothing here needs more.
"""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from devora_ops.embedded.process import Process, kill_group, last_words
from devora_ops.logwatch import LogWatch

_TICK_S = 0.1
_LOGS_EVERY_S = 1.0
# A child that ends by itself sooner than this did not work at all.
_WORKED_S = 5.0
_LONGEST_PAUSE_S = 4.0
_PATIENCE = 6
_RARE_TRY_S = 30.0
_SLOW_STOP_S = 1.0


class StopRequestedError(Exception):
    """SIGINT, SIGTERM or SIGHUP came."""


@dataclass(eq=False)
class Child:
    """A process that is meant to be there.

    start: starts it; called again whenever it died. stage: children of the highest
    stage are stopped first, those of one stage together. stops_slowly: what a person
    hears who waits for that.
    """

    name: str
    start: Callable[[], Process]
    log: Path
    stage: int
    stop_by: signal.Signals = signal.SIGTERM
    grace_s: float = 10.0
    stops_slowly: str = ""
    process: Process | None = None
    _started: float = 0.0
    _failures: int = 0
    _again_at: float = 0.0
    _log_from: int = field(default=0, repr=False)

    def launch(self) -> None:
        """Start it now."""
        self._started = time.monotonic()
        self._log_from = self.log.stat().st_size if self.log.exists() else 0
        self.process = self.start()

    def watch(self) -> str | None:
        """Start it again when it is due; returns what a person should hear of it."""
        if self.process is None:
            if time.monotonic() >= self._again_at:
                self.launch()
            return None
        code = self.process.poll()
        if code is None:
            return None
        kill_group(self.process)  # what it started must not live on beside the next
        self.process = None
        return self._plan_next(code)

    def _plan_next(self, code: int) -> str | None:
        """Decide when to start it again: at once, a little later, or rarely."""
        killed = code in (-signal.SIGKILL, -signal.SIGTERM)
        worked = killed or time.monotonic() - self._started >= _WORKED_S
        self._failures = 0 if worked else self._failures + 1
        pause = 0.0 if worked else min(0.25 * 2**self._failures, _LONGEST_PAUSE_S)
        if self._failures >= _PATIENCE:
            pause = _RARE_TRY_S
        self._again_at = time.monotonic() + pause
        return self._report(code)

    def _report(self, code: int) -> str | None:
        if self._failures > _PATIENCE:
            return None
        if self._failures == _PATIENCE:
            return (
                f"{self.name} keeps ending; the rest goes on, and it is tried again "
                f"every {_RARE_TRY_S:.0f} s. See {self.log}."
            )
        if code < 0:  # what it logged last has nothing to do with that
            return f"{self.name} was killed by signal {-code}, starting it again."
        said = last_words(self.log, since=self._log_from)
        return f"{self.name} ended with code {code}, starting it again. {said}".rstrip()


class Supervisor:
    """Holds the children; every wait goes through `wait_until`, so none is unwatched."""

    def __init__(self, *, say: Callable[[str], None], logs: Path) -> None:
        self._say = say
        self._children: list[Child] = []
        self._logs = LogWatch(logs, say)
        self._logs_at = 0.0
        self._stops = 0
        self._breaks_off = False

    def take_signals(self) -> None:
        """Turn the signals that end a program into StopRequestedError, then force.

        SIGINT is taken even where a shell ignores it for background jobs; SIGHUP only
        where nobody (nohup) ignores it.
        """
        signal.signal(signal.SIGINT, self._on_signal)
        signal.signal(signal.SIGTERM, self._on_signal)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._on_signal)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let a signal break off what does not wait through us."""
        self._breaks_off = True
        try:
            yield
        finally:
            self._breaks_off = False

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stops += 1
        if self._breaks_off:
            self._breaks_off = False
            raise StopRequestedError

    def add(self, child: Child) -> Child:
        """Keep a child alive from now on, starting it unless it runs."""
        if child.process is None:
            child.launch()
        self._children.append(child)
        return child

    def wait_until(
        self, reached: Callable[[], bool], *, within_s: float | None = None
    ) -> bool:
        """Watch until a condition holds; False when the time ran out."""
        deadline = None if within_s is None else time.monotonic() + within_s
        while not reached():
            if deadline is not None and time.monotonic() > deadline:
                return False
            self._tick()
        return True

    def run(self, process: Process) -> int:
        """Watch until a process that does one job ends; returns its exit code."""
        try:
            self.wait_until(lambda: process.poll() is not None)
        finally:
            if process.poll() is None:
                process.terminate()
                kill_group(process)
        return process.returncode

    def _tick(self) -> None:
        if self._stops:
            raise StopRequestedError
        for child in self._children:
            if news := child.watch():
                self._say(news)
        if time.monotonic() >= self._logs_at:
            self._logs.look()
            self._logs_at = time.monotonic() + _LOGS_EVERY_S
        time.sleep(_TICK_S)

    def stop(self) -> None:
        """Stop stage after stage, gracefully; a second signal meanwhile kills."""
        patience = max(self._stops, 1)
        for stage in sorted({child.stage for child in self._children}, reverse=True):
            self._stop_together(
                [child for child in self._children if child.stage == stage], patience
            )
        self._children.clear()

    def _stop_together(self, children: list[Child], patience: int) -> None:
        running = [child.process for child in children if child.process is not None]
        for child in children:
            if child.process is not None:
                child.process.send_signal(child.stop_by)
        began = time.monotonic()
        deadline = began + max(child.grace_s for child in children)
        untold = [child.stops_slowly for child in children if child.stops_slowly]
        while any(process.poll() is None for process in running):
            if time.monotonic() > deadline or self._stops > patience:
                break
            if untold and time.monotonic() > began + _SLOW_STOP_S:
                self._say(untold.pop())
            time.sleep(0.02)
        for process in running:
            kill_group(process)


def say(text: str) -> None:
    """Tell the person at the terminal; stdout is for what a command is asked for."""
    with suppress(OSError):  # a closed terminal must not end the servers
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
