"""What was said waits for Postgres, within bounds."""

import tracemalloc
import uuid

import orjson
import pytest

from devora_ops.common.postgres import make_pool
from llm.gateway.recorder import MOST_WAITING_BYTES, Recorder, Said
from tests.installation_under_test import free_port


async def test_what_waits_takes_no_more_memory_than_the_bound_whoever_wrote_it(
    caplog: pytest.LogCaptureFixture,
):
    pool = make_pool(f"postgresql://nobody@127.0.0.1:{free_port()}/none")
    recorder = Recorder(pool, default_mode="full")

    tracemalloc.start()
    while not caplog.records:
        request, response = (orjson.dumps(["x" * 1500]) for _ in range(2))
        recorder.record(Said(uuid.uuid4(), request, response), mode="full")
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert "was not kept" in caplog.text
    assert 0.9 * MOST_WAITING_BYTES < taken < 1.5 * MOST_WAITING_BYTES
