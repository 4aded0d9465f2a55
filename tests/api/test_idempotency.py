"""Idempotency-Key: a POST that is sent again does not happen again."""

import datetime as dt

import pytest
from django.utils import timezone

from costs.models import Budget
from devora_ops.common.models import IdempotencyRecord
from tests.api.callers import as_key, codes_of

pytestmark = pytest.mark.django_db

BUDGETS = "/api/v1/budgets/"
GOOD = {"name": "Care", "limit_usd": "10", "period": "month"}


@pytest.fixture
def api():
    return as_key("admin")


def post(api, key, **changes):
    return api.post(
        BUDGETS, {**GOOD, **changes}, format="json", HTTP_IDEMPOTENCY_KEY=key
    )


def test_the_second_answer_is_the_first_one(api):
    first, second = post(api, "k1"), post(api, "k1")
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.json() == first.json()
    assert second.headers["Idempotency-Replayed"] == "true"
    assert Budget.objects.count() == 1


def test_another_body_under_the_same_key_is_409(api):
    post(api, "k1")
    answer = post(api, "k1", name="Other")
    assert answer.status_code == 409
    assert codes_of(answer) == {"idempotency_mismatch"}
    assert Budget.objects.count() == 1


def test_a_refusal_leaves_the_key_free(api):
    assert post(api, "k1", limit_usd="many").status_code == 400
    assert post(api, "k1").status_code == 201


def test_two_callers_may_choose_the_same_key(api):
    assert post(api, "k1").status_code == 201
    assert post(as_key("admin"), "k1", name="Other").status_code == 201


def test_after_a_day_the_key_is_new(api):
    post(api, "k1")
    IdempotencyRecord.objects.update(created_at=timezone.now() - dt.timedelta(hours=25))
    assert post(api, "k1", name="Other").status_code == 201


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("k" * 256, "max_length"),
        ("", "max_length"),
        ("a\nb", "bad_request"),
        ("a\0b", "bad_request"),
        ("clé", "bad_request"),
    ],
    ids=ascii,
)
def test_a_key_that_is_none_is_400(api, key, code):
    answer = post(api, key)
    assert answer.status_code == 400
    assert codes_of(answer) == {code}
    assert not Budget.objects.exists()


def test_a_key_of_255_characters_is_taken(api):
    assert post(api, "k" * 255).status_code == 201
