"""What Celery logs: under the id of the request that sent the task."""

import subprocess
import sys

import httpx
import pytest

from tests.installation_under_test import ROOT, wait_until
from tests.logs.conftest import Lines
from tests.rag.conftest import make_corpus

DOCUMENT = {"external_id": "ice", "title": "Ice", "text": "Ice forms on wings."}


@pytest.fixture(scope="module")
def worker(talkative):
    talkative.start_worker()
    return Lines(talkative, "worker")


@pytest.fixture(scope="module")
def sent(talkative, worker):
    """Hand in a document; return the id of that request."""
    with talkative.orm():
        make_corpus("logged")
    caller = talkative.caller(scopes=["read", "write"])
    with httpx.Client(base_url=talkative.url, headers=caller.headers) as client:
        answer = client.post(
            "/api/v1/corpora/logged/documents/",
            json=DOCUMENT,
            headers={"X-Request-Id": "hands-in-1"},
        )
        assert answer.status_code == 202, answer.text
    return "hands-in-1"


def test_a_tasks_lines_carry_the_id_of_the_request_that_sent_it(worker, sent):
    (began,) = worker.of(sent, event="task_started")
    (ended,) = worker.of(sent, event="task_succeeded")
    assert began["task"] == ended["task"] == "rag.process_document"
    assert began["task_id"] == ended["task_id"]
    assert ended["duration_ms"] >= 0


def test_the_worker_writes_nothing_but_lines(worker, sent):
    worker.of(sent, event="task_succeeded")
    for line in worker.new():
        assert line.keys() >= {"time", "level", "logger", "event"}


def test_a_task_that_breaks_is_one_line_without_its_arguments(talkative, worker):
    send = (
        "from devora_ops.celery import app; "
        "app.send_task('rag.process_document', ['canary-argument'])"
    )
    environment = talkative.environment()
    subprocess.run([sys.executable, "-c", send], cwd=ROOT, env=environment, check=True)

    def broken():
        return [line for line in worker.new() if line["event"] == "task_failed"]

    wait_until(lambda: bool(broken()))
    (line,) = broken()
    assert line["task"] == "rag.process_document"
    assert line["exception"].splitlines()[-1].startswith("ValueError: badly formed")
    assert [each for each in worker.new() if each["level"] == "error"] == [line]
    assert "canary-argument" not in talkative.log("worker")
