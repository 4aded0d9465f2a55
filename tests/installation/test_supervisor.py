"""Children kept alive, and none left behind; the children here are small scripts."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from devora_ops.embedded.process import Launch, last_words
from devora_ops.supervisor import Child, Supervisor
from tests.installation_under_test import wait_until

_SLEEP = "import time; time.sleep(600)"
_CHATTY = "import time; print('all is well', flush=True); time.sleep(600)"
_CHAINED = """
try:
    {}["first"]
except KeyError as error:
    raise RuntimeError("the real cause") from error
"""
_FAIL = "raise SystemExit('nothing works')"
_DEAF = (
    "import signal, time; signal.signal(15, signal.SIG_IGN);"
    "print('deaf', flush=True); time.sleep(600)"
)
_WITH_CHILD = (
    "import subprocess, sys, time;"
    "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
    "print(p.pid, flush=True); time.sleep(600)"
)
_SUPERVISOR = """
import sys
from pathlib import Path
from devora_ops.embedded.process import Launch
from devora_ops.supervisor import Child, StopRequestedError, Supervisor
logs = Path(sys.argv[1])
supervisor = Supervisor(say=print, logs=logs)
supervisor.take_signals()
launch = Launch(argv=[sys.executable, "-c", sys.argv[2]], log=logs / "child.log")
child = supervisor.add(Child("child", launch.start, launch.log, 1, grace_s=20))
print(child.process.pid, flush=True)
try:
    supervisor.wait_until(lambda: False)
except StopRequestedError:
    supervisor.stop()
"""


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, said: list[str]) -> Iterator[Supervisor]:
    made = Supervisor(say=said.append, logs=tmp_path)
    yield made
    made.stop()


def _child(logs: Path, script: str, *, grace_s: float = 5) -> Child:
    launch = Launch(argv=[sys.executable, "-c", script], log=logs / "child.log")
    return Child("child", launch.start, launch.log, 1, grace_s=grace_s)


def _ended(process: psutil.Process) -> bool:
    gone, _ = psutil.wait_procs([process], timeout=20)
    return bool(gone) or process.status() == psutil.STATUS_ZOMBIE


def test_it_starts_a_killed_child_again_at_once(
    supervisor: Supervisor, tmp_path: Path, said: list[str]
) -> None:
    (tmp_path / "child.log").write_text("of an earlier run\n")
    child = supervisor.add(_child(tmp_path, _CHATTY))
    log = child.log
    supervisor.wait_until(lambda: "all is well" in log.read_text(), within_s=20)
    first = child.process
    assert first is not None
    first.kill()
    assert supervisor.wait_until(lambda: child.process not in {None, first}, within_s=5)
    assert said == ["child was killed by signal 9, starting it again."]


def test_it_tells_why_a_child_ended_and_tries_more_rarely(
    supervisor: Supervisor, tmp_path: Path, said: list[str]
) -> None:
    supervisor.add(_child(tmp_path, _FAIL))
    supervisor.wait_until(lambda: len(said) > 1, within_s=20)
    assert "child ended with code 1" in said[0]
    assert "nothing works" in said[0]


def test_of_a_chain_of_errors_it_tells_the_last(
    supervisor: Supervisor, tmp_path: Path, said: list[str]
) -> None:
    supervisor.add(_child(tmp_path, _CHAINED))
    supervisor.wait_until(lambda: bool(said), within_s=20)
    assert said[0].endswith("starting it again. RuntimeError: the real cause")


def test_what_a_killed_child_had_started_is_gone_before_the_next_starts(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    child = supervisor.add(_child(tmp_path, _WITH_CHILD))
    log = tmp_path / "child.log"
    assert supervisor.wait_until(lambda: log.read_text().endswith("\n"), within_s=20)
    grandchild = psutil.Process(int(log.read_text()))
    first = child.process
    assert first is not None
    first.kill()
    supervisor.wait_until(lambda: child.process not in {None, first}, within_s=5)
    assert _ended(grandchild)


def test_it_kills_a_child_that_does_not_stop_in_time(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    child = supervisor.add(_child(tmp_path, _DEAF, grace_s=0.2))
    _wait_for_the_deaf(tmp_path)
    process = child.process
    assert process is not None
    supervisor.stop()
    assert process.returncode is not None


def test_it_says_why_a_stop_takes_long(
    supervisor: Supervisor, tmp_path: Path, said: list[str]
) -> None:
    child = supervisor.add(_child(tmp_path, _DEAF, grace_s=1.5))
    child.stops_slowly = "Calls go on."
    _wait_for_the_deaf(tmp_path)
    supervisor.stop()
    assert said == ["Calls go on."]


def test_it_shows_errors_that_children_log(
    supervisor: Supervisor, tmp_path: Path, said: list[str]
) -> None:
    (tmp_path / "web.log").write_text("INFO fine\nERROR the disk is full\n")
    assert supervisor.wait_until(lambda: bool(said), within_s=5)
    assert said == ["web: ERROR the disk is full"]


_BROKEN = {
    "level": "error",
    "logger": "[LLM]",
    "event": "it broke",
    "request_id": "r1",
    "exception": "Traceback (most recent call last):\n  File…\nValueError: no",
}


def test_it_shows_errors_in_words_that_children_log_as_json(
    supervisor: Supervisor, tmp_path: Path, said: list[str]
) -> None:
    fine = {"level": "warning", "logger": "[LLM]", "event": "an ERROR of somebody else"}
    lines = "".join(f"{json.dumps(line)}\n" for line in (fine, _BROKEN))
    (tmp_path / "web.log").write_text(lines)
    assert supervisor.wait_until(lambda: bool(said), within_s=5)
    assert said == ["web: [LLM] it broke (ValueError: no) [request r1]"]


def test_the_last_words_of_a_child_are_words(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    last = {"level": "warning", "logger": "[LLM]", "event": "later"}
    log.write_text(f"{json.dumps(_BROKEN)}\n{json.dumps(last)}\n")
    assert last_words(log) == "[LLM] it broke (ValueError: no) [request r1]"
    log.write_text(f"{json.dumps(last)}\n")
    assert last_words(log) == "[LLM] later"


@pytest.mark.parametrize("line", ["{", "{}", "[]", '{"event": 1', "\udcff"])
def test_a_line_that_is_none_of_ours_stays_as_it_is(tmp_path: Path, line: str) -> None:
    log = tmp_path / "web.log"
    log.write_text(f"{line}\n", errors="surrogateescape")
    assert last_words(log) == line.replace("\udcff", "\ufffd")


def test_it_cuts_a_log_that_grew_too_long(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    log = tmp_path / "web.log"
    log.write_bytes(b"x" * (11 << 20))
    assert supervisor.wait_until(lambda: log.stat().st_size == 0, within_s=5)
    assert (tmp_path / "web.log.1").stat().st_size == 11 << 20


def _wait_for_the_deaf(logs: Path) -> None:
    """Return once the child hears no signals: before that, one would end it."""
    wait_until(lambda: any("deaf" in log.read_text() for log in logs.rglob("*.log")))


def _supervising(
    logs: Path, script: str
) -> tuple[subprocess.Popen[bytes], psutil.Process]:
    process = subprocess.Popen(
        [sys.executable, "-c", _SUPERVISOR, str(logs), script], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    return process, psutil.Process(int(process.stdout.readline()))


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_every_child(tmp_path: Path, sent: signal.Signals) -> None:
    process, child = _supervising(tmp_path, _SLEEP)
    process.send_signal(sent)
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert not child.is_running()


def test_a_second_signal_does_not_wait_for_the_deaf(tmp_path: Path) -> None:
    process, child = _supervising(tmp_path, _DEAF)
    _wait_for_the_deaf(tmp_path)
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert not child.is_running()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells only Linux's")
def test_killing_the_supervisor_leaves_no_orphan(tmp_path: Path) -> None:
    process, child = _supervising(tmp_path, _SLEEP)
    process.kill()
    process.communicate()
    assert _ended(child)
