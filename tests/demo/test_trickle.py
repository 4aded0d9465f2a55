"""`demo trickle` as `up` runs it: a process that calls a real gateway."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from devora_ops.demo.cast import SIMULATED
from devora_ops.demo.keys import DEMO_KEYS, ensure_keys, keep_keys
from devora_ops.demo.trickle import Trickle, clients_of
from devora_ops.simulator.cast import ROLES
from llm.models import ApiKey, Provider
from llm.services import model_ensure
from tests.demo.conftest import Demo
from tests.installation_under_test import ROOT, Installation, wait_until

NEW_CALLS = (
    "SELECT * FROM costs_call WHERE team = 'demo' AND model LIKE 'simulator/%%' "
    "ORDER BY id"
)
# The agents ask at random, so a question may have been answered a moment ago.
SERVED = {"ok", "cached"}


@pytest.fixture
def gateway(demo: Demo, installation: Installation) -> Installation:
    """An installation that has the models which the demo's agents ask for."""
    with demo.orm():
        provider = Provider.objects.get(slug="simulator")
        for name in SIMULATED:
            like = "anthropic" if name.startswith("claude") else "openai"
            model_ensure(provider=provider, name=name, like=f"{like}/{name}")
    return installation


@contextlib.contextmanager
def trickling(
    demo: Demo, gateway: Installation, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the command; the caller stops it, or we do."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "demo", "trickle"],
            cwd=ROOT,
            env=gateway.environment() | {"DEVORA_DATA": str(demo.secrets.path.parent)},
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


def test_it_calls_once_the_gateway_is_there_and_stops_when_told(
    demo: Demo, gateway: Installation, tmp_path: Path
):
    gateway.stop_web()
    log = tmp_path / "trickle.log"
    before = len(demo.rows(NEW_CALLS))
    with trickling(demo, gateway, log) as process:
        try:
            wait_until(lambda: b"gateway is away" in log.read_bytes(), within_s=30)
        finally:
            gateway.start_web()
        wait_until(lambda: len(demo.rows(NEW_CALLS)) > before, within_s=30)
        process.terminate()
        assert process.wait(5) == 0
    assert b"gateway is back" in log.read_bytes()
    assert demo.rows(NEW_CALLS)[-1]["status"] in SERVED


def test_each_agent_calls_by_its_prompt_and_keeps_its_own_key(
    demo: Demo, gateway: Installation
):
    with demo.orm():
        tokens = ensure_keys(demo.secrets)
    wait_until(lambda: all(_takes(gateway, token) for token in tokens.values()))
    before = len(demo.rows(NEW_CALLS))
    with clients_of(tokens, url=gateway.url) as clients:
        trickle = Trickle(clients, say=str)
        for role in ROLES:
            trickle.call(role)
    wait_until(lambda: len(demo.rows(NEW_CALLS)) >= before + len(ROLES))
    calls = demo.rows(NEW_CALLS)[before:]
    assert {call["agent"] for call in calls} == {role.agent for role in ROLES}
    assert {call["status"] for call in calls} <= SERVED
    assert all(call["cost_usd"] > 0 for call in calls if call["status"] == "ok")
    assert {call["stream"] for call in calls} == {True, False}


def test_it_ends_when_its_keys_are_not_taken(demo: Demo, gateway: Installation):
    with demo.orm():
        tokens = ensure_keys(demo.secrets)
    wrong = {agent: token[:-1] + "!" for agent, token in tokens.items()}
    with clients_of(wrong, url=gateway.url) as clients:
        Trickle(clients, say=str).run()


def test_keys_are_kept_and_made_anew_when_they_are_gone(demo: Demo):
    with demo.orm():
        first = ensure_keys(demo.secrets)
        keep_keys(demo.secrets, first)
        assert ensure_keys(demo.secrets) == first
        ApiKey.objects.filter(agent__slug="support-bot").delete()
        second = ensure_keys(demo.secrets)
        keep_keys(demo.secrets, second)
    assert first.keys() == second.keys()
    changed = {agent for agent in first if first[agent] != second[agent]}
    assert changed == {"support-bot"}
    assert demo.secrets.values[DEMO_KEYS].count(",") == len(first) - 1


def test_real_models_of_the_history_are_not_offered(demo: Demo, gateway: Installation):
    caller = gateway.caller()
    listed = httpx.get(f"{gateway.url}/v1/models", headers=caller.headers).json()
    names = {model["id"] for model in listed["data"]}
    assert "simulator/gpt-5.4-mini" in names
    assert not any(name.startswith(("openai/", "anthropic/")) for name in names)


def _takes(gateway: Installation, token: str) -> bool:
    """Say whether the gateway has heard of a key yet."""
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.get(f"{gateway.url}/v1/models", headers=headers).status_code == 200
