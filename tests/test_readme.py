"""The README tells the truth: its settings, its commands and its first calls."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.installation_under_test import Installation

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def settings_in_table() -> set[str]:
    rows = [line for line in README.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row[:120])}


def test_every_setting_that_is_read_is_in_the_table():
    source = (ROOT / "devora_ops" / "settings.py").read_text()
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', source))

    assert read
    assert read <= settings_in_table()


def test_every_setting_in_the_table_is_read_somewhere():
    sources = "".join(
        path.read_text()
        for path in (ROOT / "devora_ops").rglob("*.py")
        if "client" not in path.parts
    )
    for name in settings_in_table():
        provider = re.fullmatch(r"[A-Z]+_(API_KEY|BASE_URL)", name)
        assert name in sources or (provider and f"_{provider[1]}" in sources), name


@pytest.mark.parametrize("target", sorted(set(re.findall(r"`?make (\w+)", README))))
def test_every_make_target_exists(target: str):
    makefile = (ROOT / "Makefile").read_text()

    assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE)


@pytest.mark.parametrize(
    "command", sorted(set(re.findall(r"manage\.py (\w+)", README)))
)
def test_every_management_command_exists(command: str):
    commands = ROOT / "devora_ops" / "management" / "commands"

    assert (commands / f"{command}.py").exists()


def test_every_place_of_the_map_exists():
    (house,) = blocks("text")
    for line in house.splitlines():
        inside = ROOT / "devora_ops" if line.startswith("  ") else ROOT
        for name in re.findall(r"(\w+)/(?=\s)", line.split("   ")[0] + " "):
            assert (inside / name).is_dir(), name


def test_every_logger_of_ours_is_in_the_table():
    sources = (p for p in ROOT.rglob("*.py") if not {".venv", "tests"} & {*p.parts})
    code = "".join(path.read_text() for path in sources)
    ours = set(re.findall(r'getLogger\("(\[\w+\])"\)', code))

    assert ours == set(re.findall(r"`(\[\w+\])`", README.split("| logger |")[1]))


def test_a_requests_lines_are_found_as_the_text_says(installation: Installation):
    (command,) = re.findall(r"`(grep [^`]+)`", README)
    headers = {"X-Request-Id": "nightly-17", **installation.caller().headers}
    body = {
        "model": "simulator/sim-502",
        "messages": [{"role": "user", "content": "?"}],
    }
    httpx.post(f"{installation.url}/v1/chat/completions", json=body, headers=headers)

    found = subprocess.run(
        ["sh", "-euc", command.replace(".devora/logs", str(installation.folder))],
        capture_output=True,
        text=True,
        check=True,
    )

    (shown,) = map(json.loads, blocks("json"))
    (line,) = map(json.loads, found.stdout.splitlines())
    assert shown.keys() == line.keys()


@pytest.fixture(scope="module")
def environment(installation: Installation) -> dict[str, str]:
    """Return what a newcomer has after `make run` and its two lines."""
    with installation.orm():
        from llm.models import Model
        from llm.services import route_ensure

        model = Model.objects.get(provider__slug="simulator", name="gpt-5.2")
        route_ensure(slug="smart", targets=[model])
    caller = installation.caller(scopes=["call", "read"])  # as the printed key
    return {
        **installation.environment(),
        "DEVORA_URL": installation.url,
        "DEVORA_API_KEY": caller.key,
        "PYTHONPATH": str(ROOT),  # what the checkout's own .venv knows by itself
    }


def run(script: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a shell's lines where a newcomer would, with the suite's own Python."""
    python = shlex.quote(sys.executable)
    script = script.replace("./manage.py", ".venv/bin/python manage.py")
    return subprocess.run(
        ["sh", "-euc", script.replace(".venv/bin/python", python)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def shell_blocks() -> list[str]:
    """All but `make`, and the two lines with somebody else's address and key."""
    return [b for b in blocks("sh") if not b.startswith(("make ", "export "))]


def test_the_two_lines_are_all_that_the_examples_need():
    (lines,) = [block for block in blocks("sh") if block.startswith("export ")]
    exported = set(re.findall(r"^export (\w+)=", lines, flags=re.MULTILINE))
    code = "".join([*shell_blocks(), *blocks("python")])
    needed = re.findall(r"\$([A-Z_]+)|environ\[\"(\w+)\"\]", code)

    assert {name for pair in needed for name in pair if name} == exported


@pytest.mark.parametrize("script", shell_blocks())
def test_every_shell_example_runs(environment: dict[str, str], script: str):
    done = run(script, environment)

    assert done.stdout.strip(), done.stderr
    assert "Traceback" not in done.stderr
    assert '"error"' not in done.stdout
    if "doctor" not in script:  # which calls wrong what only `up` starts
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", re.findall(r"`(\./manage\.py [^`]+)`", README))
def test_every_command_in_the_text_runs(environment: dict[str, str], command: str):
    done = run(command, environment)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("program", blocks("python"))
def test_every_python_example_runs(
    environment: dict[str, str], program: str, tmp_path: Path
):
    (tmp_path / "hello.py").write_text(program)
    script = f".venv/bin/python {shlex.quote(str(tmp_path / 'hello.py'))}"
    done = run(script, environment)

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
