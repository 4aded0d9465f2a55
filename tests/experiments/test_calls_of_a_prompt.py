"""A prompt over the wire: made by REST, called through the gateway, recorded."""

import uuid
from collections.abc import Iterator

import httpx
import pytest

from tests.installation_under_test import Caller, Installation, wait_until


@pytest.fixture
def author(installation: Installation) -> Iterator[httpx.Client]:
    key = installation.caller(scopes=("call", "read", "write")).headers
    with httpx.Client(base_url=f"{installation.url}/api/v1", headers=key) as client:
        yield client


@pytest.fixture
def agent(installation: Installation) -> Caller:
    return installation.caller()


@pytest.fixture
def slug(author: httpx.Client) -> str:
    """A prompt with two versions, the first of them in production."""
    slug = f"greeting-{uuid.uuid4().hex[:8]}"
    body = {
        "slug": slug,
        "name": slug,
        "messages": [{"role": "user", "content": "Hello {{ name }}"}],
        "model": "simulator/gpt-5.2",
    }
    _made(author.post("/prompts/", json=body))
    shorter = {"messages": [{"role": "user", "content": "Yo {{ name }}"}]}
    _made(author.post(f"/prompts/{slug}/versions/", json=shorter))
    moved = author.put(f"/prompts/{slug}/labels/production/", json={"version": 1})
    assert moved.status_code == 200
    return slug


def _made(answer: httpx.Response) -> None:
    assert answer.status_code == 201, answer.text


def _call(installation: Installation, agent: Caller, model: str, **fields: object):
    return httpx.post(
        f"{installation.url}/v1/chat/completions",
        headers=agent.headers,
        json={"model": model, "variables": {"name": "Ada"}, **fields},
    )


def _call_once_known(installation, agent, model, **fields):
    """Call, waiting for the moment it takes a change to be in force."""
    answers: list[httpx.Response] = []

    def served() -> bool:
        answers.append(_call(installation, agent, model, **fields))
        return answers[-1].status_code == 200

    wait_until(served)
    return answers[-1]


def test_a_call_renders_the_labelled_version_and_is_recorded_with_it(
    installation: Installation, agent: Caller, slug: str
):
    answer = _call_once_known(installation, agent, f"prompt:{slug}", user="u-1")
    assert answer.headers["X-Devora-Model"] == "simulator/gpt-5.2"
    # The attempt first: before it, calls from when the prompt was not known yet are all.
    (attempt,) = installation.attempts(agent)
    assert (attempt["prompt"], attempt["prompt_version"]) == (slug, 1)
    calls = installation.calls(agent)
    assert (calls[-1]["prompt"], calls[-1]["prompt_version"]) == (slug, 1)
    assert (attempt["experiment"], attempt["variant"]) == ("", "")


def test_moving_the_label_moves_the_calls(
    installation: Installation, author: httpx.Client, agent: Caller, slug: str
):
    _call_once_known(installation, agent, f"prompt:{slug}")
    author.put(f"/prompts/{slug}/labels/production/", json={"version": 2})

    def follows() -> bool:
        _call(installation, agent, f"prompt:{slug}")
        return bool(installation.calls(agent)[-1]["prompt_version"] == 2)

    wait_until(follows)


@pytest.fixture
def experiment(
    installation: Installation, author: httpx.Client, agent: Caller, slug: str
) -> str:
    """A running experiment over the prompt's versions, which calls take part in."""
    body = {
        "slug": f"test-of-{slug}",
        "prompt": slug,
        "variants": [
            {"name": "control", "version": 1, "weight": 1},
            {"name": "short", "version": 2, "weight": 1},
        ],
    }
    _made(author.post("/experiments/", json=body))
    started = author.post(f"/experiments/{body['slug']}/start/")
    assert started.status_code == 200

    def takes_part() -> bool:
        _call(installation, agent, f"prompt:{slug}", unit="first")
        return bool(installation.calls(agent)[-1]["experiment"])

    wait_until(takes_part)
    return str(body["slug"])


def test_a_running_experiment_gives_each_unit_its_variant(
    installation: Installation,
    author: httpx.Client,
    agent: Caller,
    slug: str,
    experiment: str,
):
    before = len(installation.calls(agent))
    address = f"/experiments/{experiment}"
    units = [f"unit-{number}" for number in range(12)]
    for unit in units:
        assert (
            _call(installation, agent, f"prompt:{slug}", unit=unit).status_code == 200
        )
    calls = installation.calls(agent, count=before + len(units))[before:]
    for unit, call in zip(units, calls, strict=True):
        outcome = {"unit": unit, "metric": "score", "value": 1}
        seen = author.post(f"{address}/outcomes/", json=outcome).json()
        assert seen["variant"] == call["variant"]
        told = author.post(f"{address}/assign/", json={"unit": unit}).json()
        assert (call["variant"], call["prompt_version"]) == (
            told["variant"],
            told["version"],
        )
        assert call["experiment"] == experiment
    assert {call["variant"] for call in calls} == {"control", "short"}
    outcome = {"call_id": str(calls[0]["id"]), "metric": "success", "value": 1}
    stored = author.post(f"{address}/outcomes/", json=outcome)
    assert stored.json()["variant"] == calls[0]["variant"]
    summary = author.get(f"{address}/summary/").json()
    assert sum(v["calls"] for v in summary["variants"]) >= len(units)


def test_a_call_does_not_wait_for_an_exposure_that_cannot_be_written(
    installation: Installation,
    author: httpx.Client,
    agent: Caller,
    slug: str,
    experiment: str,
):
    unit = uuid.uuid4().hex
    with installation.locked("experiments_exposure"):
        answer = _call(installation, agent, f"prompt:{slug}", unit=unit)
    assert answer.status_code == 200

    def counts() -> bool:
        outcome = {"unit": unit, "metric": "score", "value": 1}
        address = f"/experiments/{experiment}/outcomes/"
        return author.post(address, json=outcome).status_code < 300

    wait_until(counts)  # it is written once it can be


@pytest.mark.parametrize(
    ("reference", "fields", "status", "code"),
    [
        ("nothing-of-the-kind", {}, 404, "prompt_not_found"),
        ("{slug}@nope", {}, 404, "label_not_found"),
        ("{slug}@9", {}, 404, "version_not_found"),
        ("{slug}", {"variables": {}}, 422, "template_variable_missing"),
        ("{slug}", {"variables": []}, 400, "invalid"),
        ("{slug}", {"unit": 5}, 400, "invalid"),
    ],
)
def test_what_cannot_be_expanded_is_said_in_the_gateways_shape(
    installation: Installation,
    agent: Caller,
    slug: str,
    reference,
    fields,
    status,
    code,
):
    _call_once_known(installation, agent, f"prompt:{slug}")
    answer = _call(
        installation, agent, f"prompt:{reference.format(slug=slug)}", **fields
    )
    assert answer.status_code == status
    error = answer.json()["error"]
    assert error["code"] == code
    assert error["message"]


def test_a_prompt_that_names_its_model_is_routed_down_by_its_budget(
    installation: Installation, agent: Caller, slug: str
):
    cheap = installation.model("sim-usage-9-9", input="1e-9", output="1e-9")
    _call_once_known(installation, agent, f"prompt:{slug}")
    budget = installation.budget(
        limit_usd="0.000001",
        prompt=slug,
        hard=False,
        route_down_at=100,
        route_down_to=cheap,
    )

    def routed_down() -> bool:
        answer = _call(installation, agent, f"prompt:{slug}")
        said = answer.headers.get("X-Devora-Budget-Step")
        return said == f"route_down; budget={budget}"

    wait_until(routed_down)
    answer = _call(installation, agent, f"prompt:{slug}")
    assert answer.headers["X-Devora-Model"] == cheap
