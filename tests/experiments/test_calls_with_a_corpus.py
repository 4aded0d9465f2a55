"""A prompt with a corpus, called while the corpus cannot be searched."""

import uuid
from collections.abc import AsyncIterator, Awaitable

import httpx
import pytest

from devora_ops.common.errors import Unavailable
from devora_ops.expansion import Expansion
from prompts.runtime import PromptSnapshot, PromptsSnapshot, PromptVersionSnapshot
from rag.embedders.registry import DEFAULT
from rag.snapshot import CorpusSnapshot
from tests.installation_under_test import Caller, Installation, wait_until
from tests.own_postgres import OwnPostgres, frozen


@pytest.fixture
def agent(installation: Installation) -> Caller:
    return installation.caller()


@pytest.fixture
def prompt(installation: Installation) -> str:
    """Make a prompt that is in production and has an empty corpus."""
    slug = f"help-{uuid.uuid4().hex[:8]}"
    key = installation.caller(scopes=("call", "read", "write")).headers
    with httpx.Client(base_url=f"{installation.url}/api/v1", headers=key) as client:
        corpus = client.post("/corpora/", json={"slug": slug, "name": slug})
        assert corpus.status_code == 201, corpus.text
        body = {
            "slug": slug,
            "name": slug,
            "messages": [{"role": "user", "content": "Why is the sky blue?"}],
            "model": "simulator/sim-instant",
            "corpus": slug,
        }
        made = client.post("/prompts/", json=body)
        assert made.status_code == 201, made.text
        address = f"/prompts/{slug}/labels/production/"
        assert client.put(address, json={"version": 1}).status_code == 200
    return f"prompt:{slug}"


def ask(installation: Installation, agent: Caller, model: str, **fields: object):
    return httpx.post(
        f"{installation.url}/v1/chat/completions",
        headers=agent.headers,
        json={"model": model, "max_tokens": 5, **fields},
        timeout=30,
    )


@pytest.mark.parametrize("stream", [False, True])
def test_a_search_that_hangs_is_given_up_before_anything_is_held(
    installation: Installation, agent: Caller, prompt: str, stream: bool
):
    # The prompt is in force, and the embedder is loaded.
    wait_until(lambda: ask(installation, agent, prompt).status_code == 200)
    other = installation.caller()
    budget = installation.budget(limit_usd="1", agent=other.agent)
    before = len(installation.journal_lines("accepted"))

    with installation.locked("rag_chunk"):
        answer = ask(installation, other, prompt, stream=stream)

    assert answer.status_code == 503
    error = answer.json()["error"]
    assert error["message"] == "The corpus cannot be searched right now."
    assert answer.headers["Retry-After"]
    (call,) = installation.calls(other)
    assert (call["status"], call["http_status"]) == ("error", 503)
    assert (call["cost_usd"], call["attempts"]) == (0, 0)
    assert len(installation.journal_lines("accepted")) == before
    agents = "SELECT 1 FROM costs_hold WHERE facts -> 'who' ->> 'agent' = %s"
    assert installation.rows(agents, other.agent) == []
    counter = "SELECT spent, held FROM costs_counter WHERE budget_id = %s"
    assert installation.rows(counter, budget) in ([], [{"spent": 0, "held": 0}])

    assert ask(installation, agent, prompt).status_code == 200


@pytest.fixture
async def expansion(own_postgres: OwnPostgres) -> AsyncIterator[Expansion]:
    """Wire a prompt to an empty corpus, over a Postgres that may stand still."""
    expansion = Expansion(own_postgres.url)
    prompts, _experiments, corpora = expansion.snapshots
    version = PromptVersionSnapshot(
        prompt="help",
        number=1,
        messages=[{"role": "user", "content": "Why is the sky blue?"}],
        model="smart",
        corpus="sky",
    )
    prompts.current = PromptsSnapshot(
        {"help": PromptSnapshot("help", {1: version}, {"production": 1})}
    )
    corpora.current = {
        "sky": CorpusSnapshot(1, "sky", "Sky", "en", DEFAULT, 384, "pgvector", 1)
    }
    await expansion.start()
    yield expansion
    await expansion.stop()


async def test_nobody_waits_until_a_search_is_called_off(
    own_postgres: OwnPostgres,
    expansion: Expansion,
    caplog: pytest.LogCaptureFixture,
):
    """A server that stands still does not confirm that it stops, either."""

    async def expanded() -> bool:
        return await expansion.expand("prompt:help", {}, "r") is not None

    while not await found(expanded()):
        pass  # until the embedder is loaded
    with frozen(own_postgres):
        assert not await found(expanded())
        assert "corpora are searched in, is away" in caplog.text
        assert "cancellation" not in caplog.text  # psycopg waits for that, we do not
    while not await found(expanded()):
        pass


async def found(expanding: Awaitable[bool]) -> bool:
    try:
        return await expanding
    except Unavailable:
        return False
