"""What budgets do to calls before their limits: a cheaper route, the cache alone."""

import time
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.installation_under_test import Caller, Installation, wait_until

USE = {"X-Devora-Cache-Control": "use"}
IN_FORCE_S = 3.0
STEP = "X-Devora-Budget-Step"
_ATTEMPT = (
    "SELECT a.model, a.route, c.requested FROM costs_attempt AS a "
    "JOIN costs_call AS c ON c.id = a.call_id WHERE a.call_id = %s"
)


_USED: list[int] = []


@pytest.fixture(autouse=True)
def _used_budgets_go(installation: Installation) -> Iterator[None]:
    yield
    with installation.orm():  # what they have spent is in no attempt
        from costs.models import Budget

        Budget.objects.filter(pk__in=_USED).delete()
    _USED.clear()


@pytest.fixture
def caller(installation: Installation) -> Caller:
    return installation.caller()


@pytest.fixture
def dear(installation: Installation) -> str:
    return installation.model("sim-usage-100-10", input="0.0001", output="0.001")


@pytest.fixture
def cheap(installation: Installation) -> str:
    return installation.model("sim-usage-100-11", input="0.000001", output="0.00001")


def ask(
    installation: Installation,
    caller: Caller,
    model: str,
    *,
    path: str = "chat/completions",
    headers: dict[str, str] | None = None,
    **fields: Any,
) -> httpx.Response:
    said = [{"role": "user", "content": fields.pop("text", uuid.uuid4().hex)}]
    body = {"messages": said, "max_tokens": 20} if path != "embeddings" else {}
    return httpx.post(
        f"{installation.url}/v1/{path}",
        json={"model": model, **body, **fields},
        headers={**caller.headers, **(headers or {})},
        timeout=30,
    )


def use(installation: Installation, budget: int, spent: str) -> None:
    """Let a budget's running period have spent an amount."""
    _USED.append(budget)
    installation.rows(
        "INSERT INTO costs_counter (budget_id, period_start, period_end, spent) "
        "SELECT id, costs_period_start(period, time_zone, now()), "
        "costs_period_end(period, time_zone, now()), %s FROM costs_budget WHERE id = %s "
        "ON CONFLICT (budget_id, period_start) DO UPDATE SET spent = excluded.spent "
        "RETURNING id",
        *(Decimal(spent), budget),
    )


def change(installation: Installation, budget: int, **fields: Any) -> None:
    with installation.orm():
        from costs.models import Budget
        from costs.services import change_budget

        change_budget(Budget.objects.get(pk=budget), actor="test", **fields)


def soon(true: Callable[[], bool]) -> None:
    wait_until(true, within_s=IN_FORCE_S)


def served_by(
    installation: Installation, caller: Caller, asked: str, model: str
) -> Callable[[], bool]:
    def said() -> bool:
        return ask(installation, caller, asked).headers["X-Devora-Model"] == model

    return said


def budget_at_60(
    installation: Installation, caller: Caller, to: str, **steps: Any
) -> int:
    budget = installation.budget(
        limit_usd="10", team=caller.team, route_down_at=50, route_down_to=to, **steps
    )
    use(installation, budget, "6")
    return budget


def test_calls_go_to_the_cheaper_route_from_the_step_on_and_say_so(
    installation: Installation, caller: Caller, dear: str, cheap: str
):
    before = ask(installation, caller, dear)
    assert STEP not in before.headers
    route = installation.route(f"cheap-{uuid.uuid4().hex[:8]}", cheap)
    budget = budget_at_60(installation, caller, route)
    soon(served_by(installation, caller, dear, cheap))

    answer = ask(installation, caller, dear)
    assert answer.headers[STEP] == f"route_down; budget={budget}"
    assert answer.headers["X-Devora-Model"] == cheap
    assert answer.json()["usage"]["completion_tokens"] == 11
    call = answer.headers["X-Devora-Call-Id"]
    wait_until(lambda: bool(installation.rows(_ATTEMPT, call)))
    (attempt,) = installation.rows(_ATTEMPT, call)
    assert (attempt["model"], attempt["route"]) == (cheap, route)
    assert attempt["requested"] == dear


def test_a_raised_limit_lifts_the_step(
    installation: Installation, caller: Caller, dear: str, cheap: str
):
    budget = budget_at_60(installation, caller, cheap)
    soon(served_by(installation, caller, dear, cheap))
    change(installation, budget, limit_usd=Decimal(100))
    soon(served_by(installation, caller, dear, dear))
    assert STEP not in ask(installation, caller, dear).headers


def test_what_calls_spend_themselves_reaches_the_step(
    installation: Installation, caller: Caller, dear: str, cheap: str
):
    installation.budget(
        limit_usd="1", team=caller.team, route_down_at=2, route_down_to=cheap
    )
    assert ask(installation, caller, dear).headers["X-Devora-Cost-Usd"] == "0.02"
    soon(served_by(installation, caller, dear, cheap))


def test_anothers_budget_has_no_effect(
    installation: Installation, caller: Caller, dear: str, cheap: str
):
    other = installation.caller()
    budget_at_60(installation, other, cheap, cache_only_at=55)
    soon(lambda: ask(installation, other, dear).status_code == 402)
    answer = ask(installation, caller, dear)
    assert answer.headers["X-Devora-Model"] == dear
    assert STEP not in answer.headers


def test_who_asks_for_what_is_cheap_already_stays_there(
    installation: Installation, caller: Caller, dear: str, cheap: str
):
    budget_at_60(installation, caller, dear)
    time.sleep(1.5)
    answer = ask(installation, caller, cheap)
    assert answer.headers["X-Devora-Model"] == cheap
    assert STEP not in answer.headers


def test_a_target_that_is_gone_or_has_no_price_leaves_calls_where_they_go(
    installation: Installation, caller: Caller, dear: str, cheap: str
):
    route = installation.route(f"cheap-{uuid.uuid4().hex[:8]}", cheap)
    budget_at_60(installation, caller, route)
    soon(served_by(installation, caller, dear, cheap))
    installation.route(route, cheap, is_active=False)
    soon(served_by(installation, caller, dear, dear))

    unpriced = installation.model(f"sim-instant-{uuid.uuid4().hex[:8]}")
    other = installation.caller()
    budget = budget_at_60(installation, other, cheap)
    installation.rows(
        "UPDATE costs_budget SET route_down_to = %s WHERE id = %s RETURNING id",
        *(unpriced, budget),
    )
    time.sleep(1.5)
    assert served_by(installation, other, dear, dear)()


def test_a_target_that_keeps_failing_leaves_calls_where_they_go(
    installation: Installation, caller: Caller, dear: str, cheap: str
):
    budget_at_60(installation, caller, cheap)
    soon(served_by(installation, caller, dear, cheap))
    force = (
        "INSERT INTO llm_breaker (target, state, reason, forced, changed_at) "
        "VALUES (%s, 'open', '', 'open', now()) ON CONFLICT (target) DO UPDATE "
        "SET forced = excluded.forced RETURNING target"
    )
    installation.rows(force, cheap)
    try:
        soon(served_by(installation, caller, dear, dear))
    finally:
        installation.rows(
            "DELETE FROM llm_breaker WHERE target = %s RETURNING 1", cheap
        )
    soon(served_by(installation, caller, dear, cheap))


def test_a_step_of_one_models_budget_leaves_other_models_alone(
    installation: Installation, caller: Caller, dear: str, cheap: str
):
    other = installation.model("sim-usage-100-12", input="0.0001", output="0.001")
    budget = installation.budget(
        limit_usd="10",
        team=caller.team,
        model=dear,
        route_down_at=50,
        route_down_to=cheap,
    )
    use(installation, budget, "6")
    soon(served_by(installation, caller, dear, cheap))
    assert served_by(installation, caller, other, other)()


def test_answers_of_the_cheaper_route_are_not_kept_as_the_dear_ones(
    installation: Installation, caller: Caller, dear: str, cheap: str
):
    budget = budget_at_60(installation, caller, cheap)
    soon(served_by(installation, caller, dear, cheap))
    text = uuid.uuid4().hex
    first = ask(installation, caller, dear, text=text, headers=USE)
    again = ask(installation, caller, dear, text=text, headers=USE)
    assert (first.headers["X-Devora-Cache"], first.headers["X-Devora-Model"]) == (
        "miss",
        cheap,
    )
    assert again.headers["X-Devora-Cache"] == "hit"
    # Whoever asks for the cheap one by its name gets the same answer …
    direct = ask(installation, caller, cheap, text=text, headers=USE)
    assert direct.headers["X-Devora-Cache"] == "hit"
    # … and who gets the dear one again, an answer of its own.
    change(installation, budget, limit_usd=Decimal(100))
    soon(served_by(installation, caller, dear, dear))
    fresh = ask(installation, caller, dear, text=text, headers=USE)
    assert (fresh.headers["X-Devora-Cache"], fresh.headers["X-Devora-Model"]) == (
        "miss",
        dear,
    )


def test_from_the_caches_step_on_a_cached_answer_is_given_and_nothing_else(
    installation: Installation, caller: Caller, dear: str, cheap: str
):
    known = uuid.uuid4().hex
    made = ask(installation, caller, dear, text=known, headers=USE)
    assert made.headers["X-Devora-Cache"] == "miss"
    budget = budget_at_60(installation, caller, cheap, cache_only_at=60)
    soon(lambda: ask(installation, caller, dear).status_code == 402)
    asked_upstream = len(installation.attempts(caller))

    # It is given even to who did not ask for the cache.
    given = ask(installation, caller, dear, text=known)
    assert given.status_code == 200
    assert given.content == made.content
    assert given.headers["X-Devora-Cache"] == "hit"
    assert given.headers[STEP] == f"cache_only; budget={budget}"

    refused = ask(installation, caller, dear)
    error = refused.json()["error"]
    assert refused.status_code == 402
    assert refused.headers["x-should-retry"] == "false"
    assert refused.headers[STEP] == f"cache_only; budget={budget}"
    assert error["code"] == "budget_cache_only"
    assert error["budget"] == budget
    assert error["name"] in error["message"]
    left = error["left_usd"]
    assert f"has ${left} left; from 60% of it on, only cached" in error["message"]
    assert "there is none to this request" in error["message"]
    assert 3 < Decimal(left) <= 4
    assert error["step_at"] == 60
    assert len(installation.attempts(caller)) == asked_upstream
    wait_until(lambda: installation.calls(caller)[-1]["status"] == "blocked")


@pytest.mark.parametrize(
    "wish",
    [{"use_cache": False}, {"X-Devora-Cache-Control": "no-cache"}],
    ids=["by its body", "by its header"],
)
def test_who_forbids_the_cache_is_refused_and_told_why(
    installation: Installation, caller: Caller, dear: str, cheap: str, wish: Any
):
    known = uuid.uuid4().hex
    ask(installation, caller, dear, text=known, headers=USE)
    budget_at_60(installation, caller, cheap, cache_only_at=60)
    soon(lambda: ask(installation, caller, dear).status_code == 402)
    fields = {} if "X-Devora-Cache-Control" in wish else wish
    headers = {} if fields else wish
    refused = ask(installation, caller, dear, text=known, headers=headers, **fields)
    assert refused.status_code == 402
    assert "takes no cached answer" in refused.json()["error"]["message"]


def test_what_was_answered_while_routed_down_is_given_from_the_caches_step_on(
    installation: Installation, caller: Caller, dear: str, cheap: str
):
    budget = budget_at_60(installation, caller, cheap, cache_only_at=90)
    soon(served_by(installation, caller, dear, cheap))
    known = uuid.uuid4().hex
    made = ask(installation, caller, dear, text=known, headers=USE)
    use(installation, budget, "9.5")
    soon(lambda: ask(installation, caller, dear).status_code == 402)
    given = ask(installation, caller, dear, text=known, stream=True)
    assert given.status_code == 200
    assert given.headers["X-Devora-Model"] == cheap
    assert made.json()["choices"][0]["message"]["content"]
    assert given.text.rstrip().endswith("data: [DONE]")


def test_messages_are_refused_in_their_own_shape(
    installation: Installation, caller: Caller, dear: str, cheap: str
):
    budget_at_60(installation, caller, cheap, cache_only_at=60)
    soon(lambda: ask(installation, caller, dear).status_code == 402)
    refused = ask(installation, caller, dear, path="messages")
    assert refused.status_code == 402
    assert refused.json()["error"]["type"] == "billing_error"
    assert refused.json()["error"]["code"] == "budget_cache_only"


def test_embeddings_are_never_routed_down(
    installation: Installation, caller: Caller, dear: str, cheap: str
):
    budget_at_60(installation, caller, cheap)
    soon(served_by(installation, caller, dear, cheap))
    answer = ask(installation, caller, dear, path="embeddings", input="hi")
    assert answer.status_code == 200
    assert answer.headers["X-Devora-Model"] == dear
    assert STEP not in answer.headers


def test_a_stand_in_that_a_budget_holds_back_stands_in_no_more(
    installation: Installation, caller: Caller, dear: str
):
    failing = installation.model("sim-500", input="0.0001", output="0.001")
    route = installation.route(f"smart-{uuid.uuid4().hex[:8]}", failing, dear)
    assert served_by(installation, caller, route, dear)()
    budget = installation.budget(
        limit_usd="10", team=caller.team, model=dear, cache_only_at=50
    )
    use(installation, budget, "6")
    soon(lambda: ask(installation, caller, route).status_code >= 500)


def test_a_dry_run_says_what_a_budgets_step_does(
    installation: Installation, caller: Caller, dear: str, cheap: str
):
    reader = installation.caller(scopes=("read",))

    def plan() -> Any:
        answer = httpx.post(
            f"{installation.url}/api/v1/routes/dry-run/",
            json={"model": dear, "messages": [], "team": caller.team},
            headers=reader.headers,
            timeout=30,
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert plan()["budget_step"] is None
    budget = budget_at_60(installation, caller, cheap, cache_only_at=90)
    down = plan()
    assert [each["model"] for each in down["targets"]] == [cheap]
    assert down["budget_step"]["budget"] == budget
    assert (down["budget_step"]["step"], down["budget_step"]["at"]) == (
        "route_down",
        50,
    )
    assert down["budget_step"]["routed_to"] == cheap
    use(installation, budget, "9.5")
    assert plan()["budget_step"]["step"] == "cache_only"
