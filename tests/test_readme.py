"""The README tells the truth: its settings, its commands and its first calls."""

import os
import re
import subprocess
import sys
from pathlib import Path

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


@pytest.fixture(scope="module")
def environment(installation: Installation) -> dict[str, str]:
    """Return what a newcomer has after `make run`: an address and a key."""
    with installation.orm():
        from llm.models import Model
        from llm.services import route_ensure

        model = Model.objects.get(provider__slug="simulator", name="gpt-5.2")
        route_ensure(slug="smart", targets=[model])
    caller = installation.caller()
    return {
        **os.environ,
        "DEVORA_URL": installation.url,
        "DEVORA_API_KEY": caller.key,
        "PYTHONPATH": str(ROOT),
    }


@pytest.mark.parametrize("program", blocks("python"))
def test_every_python_example_runs(environment: dict[str, str], program: str):
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_the_curl_example_runs(environment: dict[str, str]):
    (command,) = [block for block in blocks("sh") if block.startswith("curl")]
    command = command.replace("http://127.0.0.1:8000", environment["DEVORA_URL"])

    done = subprocess.run(
        ["sh", "-c", command],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert '"choices"' in done.stdout
