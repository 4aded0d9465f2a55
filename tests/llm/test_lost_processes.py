"""A process that dies between two tries of a call: its sum is what both came to."""

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import httpx
import pytest

from tests.installation_under_test import Caller, Installation, wait_until
from tests.llm.test_retry_table import make_provider

HELLO = [{"role": "user", "content": "hi"}]
LOST = "process_lost"


def route(installation: Installation, *targets: tuple[str, str]) -> str:
    """Make a route over models, each with what a token of output costs, or nothing."""
    from django.utils import timezone

    slug = f"route-{uuid.uuid4().hex[:8]}"
    with installation.orm():
        from costs.models import Price
        from llm.models import Route
        from llm.services import model_ensure, route_ensure

        models = []
        for words, output in targets:
            model = model_ensure(
                provider=make_provider(installation), name=f"sim-{words}"
            )
            models.append(model)
            if output:
                Price.objects.create(
                    model=str(model),
                    input=0,
                    output=Decimal(output),
                    valid_from=timezone.now(),
                    source="test",
                )
        route_ensure(slug=slug, targets=models)
        Route.objects.filter(slug=slug).update(allow_duplicates=True)
    return slug


@contextmanager
def calls_under_way(
    installation: Installation, calls: list[tuple[Caller, str]]
) -> Iterator[None]:
    """Make calls, each in a thread; their second tries are held when this yields."""

    def ask(caller: Caller, route: str) -> None:
        body = {"model": route, "messages": HELLO, "max_tokens": 10}
        with pytest.raises(httpx.HTTPError):
            httpx.post(
                f"{installation.url}/v1/chat/completions",
                json=body,
                headers=caller.headers,
                timeout=60,
            )

    before = installation.waiting()
    threads = [threading.Thread(target=ask, args=call) for call in calls]
    for thread in threads:
        thread.start()
    wait_until(lambda: installation.waiting() - before == len(calls), within_s=30)
    yield
    for thread in threads:
        thread.join(30)


def let_it_be_found(installation: Installation) -> None:
    """Have the owners of holds be silent for a minute, as the sweeper sees it."""
    with installation.orm():
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE costs_owner SET seen_at = seen_at - interval '1 minute' "
                "WHERE id IN (SELECT owner FROM costs_hold)"
            )


CASES = {
    "both have a price": ("0.001", "0.002", Decimal("0.03")),
    "the first has none": ("", "0.002", Decimal("0.02")),
    "the second has none": ("0.001", "", Decimal("0.01")),
    "none has one": ("", "", None),
}


def test_the_sum_of_a_call_that_fell_back_before_its_process_died(
    installation: Installation,
):
    callers: dict[str, Caller] = {}
    calls = []
    for name, (first, second, _) in CASES.items():
        callers[name] = installation.caller()
        tag = uuid.uuid4().hex[:8]
        targets = ((f"reset-tag-{tag}", first), (f"hold-tag-{tag}", second))
        calls.append((callers[name], route(installation, *targets)))
    priced = callers["both have a price"]
    with installation.orm():
        from costs.models import Budget

        budget = Budget.objects.create(
            name=uuid.uuid4().hex, limit_usd=1, agent=priced.agent
        )
    installation.caller()  # once a younger key is taken, all of this is in force

    with calls_under_way(installation, calls):
        for caller in callers.values():
            (failed,) = installation.attempts(caller)
            assert failed["state"] == "unknown"
        installation.kill_web()
    installation.start_web()
    let_it_be_found(installation)
    for caller in callers.values():
        installation.calls(caller)  # waits until it is there

    said = installation.manage("verify_ledger").stdout
    for name, caller in callers.items():
        _first, lost = installation.attempts(caller, count=2)
        (call,) = installation.calls(caller)
        assert (lost["number"], lost["state"]) == (2, "unknown"), name
        assert (lost["estimated"], lost["error_code"]) == (True, LOST), name
        assert (call["status"], call["error_code"]) == ("error", LOST), name
        assert call["attempts"] == 2, name
        assert call["cost_usd"] == CASES[name][2], name
        assert str(call["id"]) not in said, said
    counters = "SELECT spent, held FROM costs_counter WHERE budget_id = %s"
    (counter,) = installation.rows(counters, budget.pk)
    assert counter == {"spent": Decimal("0.03"), "held": Decimal(0)}
