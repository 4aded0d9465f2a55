"""What a route does, and says, of targets that are left alone."""

import uuid

import httpx

from tests.installation_under_test import Installation, wait_until

HELLO = [{"role": "user", "content": "hi"}]


def two_targets(
    installation: Installation, *, strategy: str
) -> tuple[str, tuple[str, str]]:
    """Make a route over two models of its own; return its name and theirs."""
    tag = uuid.uuid4().hex[:6]
    first, second = (installation.model(f"sim-instant-tag-{tag}{n}") for n in (1, 2))
    models = (first, second)
    return installation.route(f"two-{tag}", *models, strategy=strategy), models


def force_open(installation: Installation, model: str) -> None:
    with installation.orm():
        from llm.models import Breaker

        Breaker.objects.create(target=model, forced="open", reason="a test")
    installation.catch_up()


def test_who_stands_in_for_the_chosen_one_has_no_probability(
    installation: Installation,
):
    caller = installation.caller()
    route, models = two_targets(installation, strategy="priority")
    force_open(installation, models[0])

    def ask() -> httpx.Response:
        return httpx.post(
            f"{installation.url}/v1/chat/completions",
            json={"model": route, "messages": HELLO},
            headers=caller.headers,
            timeout=30,
        )

    wait_until(lambda: ask().headers["X-Devora-Model"] == models[1])
    ask()
    attempts = [
        it for it in installation.attempts(caller, count=2) if it["model"] == models[1]
    ]
    assert {(it["number"], it["probability"]) for it in attempts} == {(1, None)}


def test_a_dry_run_puts_whom_nobody_asks_last(installation: Installation):
    caller = installation.caller(scopes=("read",))
    route, models = two_targets(installation, strategy="priority")
    force_open(installation, models[0])
    told = httpx.post(
        f"{installation.url}/api/v1/routes/dry-run/",
        json={"model": route, "messages": HELLO},
        headers=caller.headers,
        timeout=30,
    ).json()
    assert [(it["model"], it["left_alone"]) for it in told["targets"]] == [
        (models[1], ""),
        (models[0], "its breaker is open"),
    ]
