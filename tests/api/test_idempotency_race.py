"""Idempotency-Key under concurrency: twins that arrive together make one."""

import uuid
from concurrent.futures import ThreadPoolExecutor

from django.db import connection

from costs.models import Budget
from tests.api.callers import as_key


def test_twins_that_arrive_together_make_one(committed_db):
    api, name = as_key("admin"), f"Care {uuid.uuid4().hex[:8]}"
    # Of a user that nobody is: it stays, and must hold up no other test's calls.
    scope = {"user": name}
    body = {"name": name, "limit_usd": "10", "period": "month", "scope": scope}

    def send(_):
        try:
            return api.post(
                "/api/v1/budgets/", body, format="json", HTTP_IDEMPOTENCY_KEY=name
            )
        finally:
            connection.close()

    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(send, range(5)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert Budget.objects.filter(name=name).count() == 1
