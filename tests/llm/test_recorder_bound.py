"""What calls said waits in memory for Postgres, up to a bound; the calls go on."""

import uuid

import httpx

from tests.fakes.upstream import Upstream, model_of
from tests.installation_under_test import Installation, wait_until

MEGABYTE = 2**20
ANSWER = {
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2},
}
# One more is taken than fits into the bound of 64 MB, and no other.
CALLS, SIZE_MB, KEPT = 10, 10, 7


def ask(installation: Installation, headers: dict[str, str], model: str, text: str):
    return httpx.post(
        f"{installation.url}/v1/chat/completions",
        json={
            "model": model,
            "messages": [{"role": "user", "content": text}],
            "max_tokens": 5,
        },
        headers=headers,
        timeout=60,
    )


def test_while_content_cannot_be_written_memory_is_bounded_and_calls_go_on(
    installation: Installation, upstream: Upstream
):
    caller = installation.caller()
    model = model_of(installation, upstream)
    upstream.say(ANSWER)
    texts = [uuid.uuid4().hex + "x" * (SIZE_MB * MEGABYTE) for _ in range(CALLS)]
    log = installation.folder / "web.log"
    before = log.read_text().count("was not kept")

    with installation.locked("llm_content"):
        for text in texts:
            assert ask(installation, caller.headers, model, text).status_code == 200
        calls = installation.calls(caller, count=CALLS)
        assert log.read_text().count("was not kept") - before == CALLS - KEPT

    query = (
        "SELECT call_id, length(request) AS size FROM llm_content "
        "WHERE call_id = ANY(%s) ORDER BY call_id"
    )
    ids = [call["id"] for call in calls]
    wait_until(lambda: len(installation.rows(query, ids)) >= KEPT, within_s=60)
    kept = installation.rows(query, ids)
    assert [row["call_id"] for row in kept] == ids[:KEPT]
    assert all(row["size"] > SIZE_MB * MEGABYTE for row in kept)
    assert {call["status"] for call in calls} == {"ok"}
    assert not any(call["cost_usd"] is None for call in calls)

    # What is written makes room again.
    assert ask(installation, caller.headers, model, "short").status_code == 200
    (*_, last) = installation.calls(caller, count=CALLS + 1)
    wait_until(lambda: len(installation.rows(query, [last["id"]])) == 1)
