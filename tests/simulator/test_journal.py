"""What the simulator writes down: every call it accepted, and what it would bill."""

import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from devora_ops.simulator import journal
from tests.fakes.simulator import SimulatorProcess
from tests.simulator.conftest import chat

CHAT = "/v1/chat/completions"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["gpt-5.2", "sim-instant"])
def test_an_answer_is_accepted_and_billed_as_its_usage_says(
    simulator: SimulatorProcess, http: httpx.Client, tag: str, model: str, stream: bool
):
    body = chat(model, stream=stream, stream_options={"include_usage": True})
    http.post(CHAT, json=body, headers={"X-Devora-Attempt": tag})
    accepted, billed = (e for e in simulator.journal() if e.attempt == tag)
    assert (accepted.event, billed.event) == ("accepted", "billed")
    assert (accepted.api, accepted.model) == ("openai.chat", model)
    assert accepted.stream is billed.stream is stream
    assert accepted.at <= billed.at <= datetime.now(UTC)
    assert billed.completed
    assert not billed.client_gone
    assert billed.usage["total_tokens"] > 0
    assert (billed.chunks_sent > 0) is stream


def test_every_line_of_many_concurrent_calls_is_there(
    simulator: SimulatorProcess, http: httpx.Client, tag: str
):
    def call(number: int) -> int:
        body = chat(f"sim-chunks-5-tag-{tag}", stream=number % 2 == 0)
        attempt = {"X-Devora-Attempt": f"{tag}-{number}"}
        return http.post(CHAT, json=body, headers=attempt).status_code

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(call, range(200))) == {200}
    entries = simulator.journal(f"sim-chunks-5-tag-{tag}")
    for event in ("accepted", "billed"):
        attempts = Counter(entry.attempt for entry in entries if entry.event == event)
        assert attempts == Counter(f"{tag}-{n}" for n in range(200))


def test_a_client_that_leaves_a_stream_pays_for_what_was_sent(
    simulator: SimulatorProcess, http: httpx.Client, tag: str
):
    model = f"sim-usage-100-40-chunks-20-hold-after-5-tag-{tag}"
    with http.stream("POST", CHAT, json=chat(model, stream=True)):
        simulator.wait_for(lambda state: state["waiting"] == 1, model=model)
    simulator.wait_for(lambda state: state["billed"] == 1, model=model)
    billed = simulator.journal(model)[-1]
    assert billed.client_gone
    assert billed.client_gone_at is not None
    assert (billed.chunks_sent, billed.completed) == (5, False)
    assert billed.usage["completion_tokens"] == 10
    assert simulator.model(model)["client_gone"] == 1
    assert simulator.model(model)["waiting"] == 0


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_before_the_answer_is_noticed(
    simulator: SimulatorProcess, tag: str, stream: bool
):
    model = f"sim-hold-usage-100-40-tag-{tag}"
    body = httpx.Request("POST", simulator.url, json=chat(model, stream=stream)).content
    host, port = simulator.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as raw:
        head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        raw.sendall(head.encode() + body)
        simulator.wait_for(lambda state: state["waiting"] == 1, model=model)
    simulator.wait_for(lambda state: state["billed"] == 1, model=model)
    billed = simulator.journal(model)[-1]
    assert billed.client_gone
    assert billed.usage["total_tokens"] == 100


def test_a_held_call_is_accepted_before_it_is_answered(
    simulator: SimulatorProcess, http: httpx.Client, tag: str
):
    model = f"sim-hold-tag-{tag}"
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(http.post, CHAT, json=chat(model))
        simulator.wait_for(lambda state: state["waiting"] == 1, model=model)
        assert [entry.event for entry in simulator.journal(model)] == ["accepted"]
        assert simulator.release(model) == 1
        assert call.result().status_code == 200
    assert [e.event for e in simulator.journal(model)] == ["accepted", "billed"]


def test_a_stopped_simulator_bills_what_it_held(tmp_path: Path):
    path = tmp_path / "journal.jsonl"
    with SimulatorProcess(path) as simulator, ThreadPoolExecutor(1) as pool:
        body = chat("sim-hold-usage-100-40")
        url = f"{simulator.url}{CHAT}"
        call = pool.submit(httpx.post, url, json=body, trust_env=False)
        simulator.wait_for(lambda state: state["waiting"] == 1)
        simulator.stop()
        assert call.exception() is not None or call.result().status_code == 500
    accepted, billed = journal.read(path)
    assert (accepted.event, billed.event) == ("accepted", "billed")
    assert (billed.completed, billed.usage["completion_tokens"]) == (False, 0)


def test_an_unfinished_last_line_is_left_out(tmp_path: Path):
    path = tmp_path / "deep" / "journal.jsonl"
    book = journal.Journal(path)
    line = {"api": "openai.chat", "model": "m", "stream": False}
    book.write("accepted", line)
    book.append(b'{"event":"bil')
    assert [entry.event for entry in journal.read(path)] == ["accepted"]
