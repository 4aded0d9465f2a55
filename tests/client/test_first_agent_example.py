"""The first example, run as its reader would run it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.client.gateway import KEY, completion
from tests.client.streaming_server import StreamingServer

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "first_agent.py"


def run(cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, os.path.relpath(EXAMPLE, cwd), "Why?"],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )


@pytest.mark.parametrize("cwd", [ROOT, EXAMPLE.parent])
def test_it_prints_the_answer_and_its_cost(server: StreamingServer, cwd: Path):
    server.content_type = "application/json"
    server.script = [completion("Because.").content]
    done = run(cwd, DEVORA_URL=server.url, DEVORA_API_KEY=KEY)
    assert done.stderr == ""
    answer, cost = done.stdout.splitlines()
    assert (answer, cost.split(",")[0]) == ("Because.", "0.000012300 USD")
    assert server.bodies[0]["messages"][-1] == {"role": "user", "content": "Why?"}


def test_it_says_in_one_line_what_is_missing():
    done = run()
    assert done.returncode == 1
    assert done.stderr.startswith("No key: pass api_key or set DEVORA_API_KEY.")
    assert len(done.stderr.splitlines()) == 1


def test_it_is_short():
    assert len(EXAMPLE.read_text().splitlines()) <= 40
