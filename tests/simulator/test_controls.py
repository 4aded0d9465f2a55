"""The simulator's own endpoints and its command line."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import httpx

from devora_ops.simulator import journal
from devora_ops.simulator.config import Config
from devora_ops.simulator.memory import Request, Requests
from tests.fakes.simulator import ROOT, SimulatorProcess
from tests.simulator.conftest import chat, in_process

CHAT = "/v1/chat/completions"


def test_held_answers_go_when_they_are_released(
    simulator: SimulatorProcess, http: httpx.Client, tag: str
):
    mine, other = f"sim-hold-tag-{tag}", f"sim-hold-tag-{tag}other"
    with ThreadPoolExecutor(5) as pool:
        calls = [pool.submit(http.post, CHAT, json=chat(mine)) for _ in range(4)]
        kept = pool.submit(http.post, CHAT, json=chat(other))
        simulator.wait_for(lambda state: state["waiting"] == 4, model=mine)
        simulator.wait_for(lambda state: state["waiting"] == 1, model=other)
        assert simulator.release(mine, count=3) == 3
        done, waiting = wait(calls, return_when="FIRST_COMPLETED")
        assert done
        assert simulator.release(mine) == 1
        assert {call.result().status_code for call in calls} == {200}
        assert not kept.done()
        assert simulator.release(other) == 1
        assert kept.result().status_code == 200


def test_requests_show_what_was_forwarded(
    simulator: SimulatorProcess, http: httpx.Client, tag: str
):
    body = chat("sim-instant", tag, temperature=0.5)
    http.post(CHAT, json=body, headers={"X-Devora-Attempt": tag, "X-Extra": "1"})
    (request,) = simulator.requests(attempt=tag)
    assert request["path"] == CHAT
    assert request["body"] == body
    assert request["headers"]["authorization"] == "Bearer sk-any"
    assert request["headers"]["x-extra"] == "1"


def test_a_body_that_is_no_json_is_shown_as_text(
    simulator: SimulatorProcess, http: httpx.Client, tag: str
):
    http.post(CHAT, content=b"\xff nothing", headers={"X-Devora-Attempt": tag})
    (request,) = simulator.requests(attempt=tag)
    assert request["body"].endswith(" nothing")


def test_the_last_thousand_requests_are_kept():
    requests = Requests()
    for number in range(1005):
        requests.add(Request(0, CHAT, [], str(number).encode(), None))
    kept = requests.shown(None)
    assert [kept[0]["body"], kept[-1]["body"], len(kept)] == [5, 1004, 1000]


def test_large_requests_push_out_older_ones():
    requests = Requests()
    for _ in range(10):
        requests.add(Request(0, CHAT, [], b"x" * 10_000_000, None))
    assert len(requests.shown(None)) == 6


async def test_reset_forgets_all_but_the_journal(tmp_path: Path):
    path = tmp_path / "journal.jsonl"
    async with in_process(Config(path)) as http:
        body = chat("sim-500-once")
        assert (await http.post(CHAT, json=body)).status_code == 500
        assert (await http.post(CHAT, json=body)).status_code == 200
        await http.post("/__sim__/reset")
        assert (await http.get("/__sim__/state")).json()["requests"] == 0
        assert (await http.get("/__sim__/requests")).json() == []
        assert (await http.post(CHAT, json=body)).status_code == 500
    assert len(journal.read(path)) == 4


def test_a_model_acts_as_another_until_it_is_itself_again(
    simulator: SimulatorProcess, http: httpx.Client, tag: str
):
    def statuses() -> list[int]:
        names = (f"sim-tag-{tag}", f"sim-tag-{tag}other", "sim-instant")
        return [http.post(CHAT, json=chat(it)).status_code for it in names]

    assert statuses() == [200, 200, 200]
    simulator.act(f"sim-tag-{tag}", "sim-503")
    simulator.act("sim-instant", "sim-500")
    assert statuses() == [503, 200, 500]
    assert simulator.model(f"sim-tag-{tag}")["refused"] == 1
    simulator.act(f"sim-tag-{tag}")
    simulator.act("sim-instant")
    assert statuses() == [200, 200, 200]
    answer = http.post("/__sim__/act", params={"model": "m", "as": "sim-nonsense"})
    assert answer.status_code == 400
    assert "nonsense" in answer.json()["error"]


def test_unknown_controls_are_told(http: httpx.Client):
    assert http.get("/__sim__/nothing").status_code == 404
    assert http.post("/__sim__/release?count=x").status_code == 400


async def test_two_simulators_of_one_seed_answer_alike(tmp_path: Path):
    answers = []
    for seed in (3, 3, 4):
        config = Config(tmp_path / "journal", seed, latency_scale=0)
        async with in_process(config) as http:
            answer = (await http.post(CHAT, json=chat("gpt-4.1"))).json()
            answers.append((answer["choices"], answer["usage"]))
    assert answers[0] == answers[1] != answers[2]


async def test_ordinary_models_take_time_by_the_scale(tmp_path: Path):
    async with in_process(Config(tmp_path / "journal", latency_scale=0.02)) as http:
        for stream in (False, True):
            body = chat("claude-opus-5-5", stream=stream)
            started = time.monotonic()
            assert (await http.post(CHAT, json=body)).status_code == 200
            assert time.monotonic() - started > 0.01


def test_a_taken_port_is_one_clear_sentence(
    simulator: SimulatorProcess, tmp_path: Path
):
    port = simulator.url.rpartition(":")[2]
    command = [sys.executable, "-m", "devora_ops.simulator", "--port", port]
    command += ["--file", str(tmp_path / "journal.jsonl")]
    ran = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30
    )
    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1
    assert "Address already in use" in ran.stderr


def test_it_imports_nothing_of_the_product():
    code = (
        "import sys, devora_ops.simulator.server, devora_ops.simulator.history;"
        "print(sorted({m.split('.')[0] for m in sys.modules}"
        " & {'django', 'costs', 'llm', 'rag', 'prompts', 'experiments'}),"
        " [m for m in sys.modules if m.startswith('devora_ops.')"
        " and not m.startswith('devora_ops.simulator')])"
    )
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[] []"
