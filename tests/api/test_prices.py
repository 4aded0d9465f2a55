"""The price book over REST: read, and superseded; never edited."""

import datetime as dt

import httpx
import pytest
from django.utils import timezone

from costs.models import Price
from devora_ops.common.models import AuditEntry
from tests.api.callers import as_key, codes_of
from tests.installation_under_test import wait_until

PRICES = "/api/v1/prices/"
MARCH = "2026-03-01T00:00:00Z"
BODY = {
    "model": "a/small",
    "valid_from": MARCH,
    "input": "0.00000025",
    "output": "0.000002",
}


@pytest.fixture
def api(db):
    return as_key("admin")


def post(api, **changes):
    return api.post(PRICES, {**BODY, **changes}, format="json")


def test_a_price_is_added_to_the_digit_and_audited(api):
    changes = {"output": "0.000000000000000001", "web_search": 0.01, "source": "list"}
    answer = post(api, **changes, confirm=True)
    assert answer.status_code == 201, answer.content
    body = answer.json()
    assert (body["model"], body["valid_from"]) == ("a/small", MARCH)
    assert (body["input"], body["output"]) == ("0.00000025", "0.000000000000000001")
    assert (body["web_search"], body["per_request"]) == ("0.01", None)
    assert AuditEntry.objects.get(action="price.create").object_id == str(body["id"])


def test_without_a_moment_a_price_is_in_force_from_now_on(api):
    before = timezone.now()
    answer = api.post(PRICES, {"model": "a/small", "per_request": 0}, format="json")
    moment = dt.datetime.fromisoformat(answer.json()["valid_from"])
    assert before <= moment <= timezone.now()


def test_a_newer_price_supersedes_and_the_older_one_stays(api):
    old = post(api).json()["id"]
    new = post(api, valid_from="2026-06-01T00:00:00Z", input="0").json()["id"]

    def found(query):
        rows = api.get(f"{PRICES}?model=a/small{query}").json()["results"]
        return [row["id"] for row in rows]

    assert found("") == [new, old]
    assert found("&at=2026-05-31T23:59:59Z") == [old]
    assert found("&at=2026-06-01T00:00:00Z") == [new]
    assert found("&at=2026-02-01T00:00:00Z") == []
    assert found("&at=now") == [new]


def test_two_prices_of_one_moment_are_a_conflict(api):
    post(api)
    answer = post(api, input="1")
    assert (answer.status_code, codes_of(answer)) == (409, {"conflict"})
    assert Price.objects.filter(model="a/small").count() == 1


SLIPS = {
    "per million for per token": {"input": "2.5"},
    "per token for per million": {"output": "0.00000000001"},
    "a thousand searches": {"web_search": "10"},
    "a percentage for a multiplier": {"schedule": {"geo_multiplier": {"us": 110}}},
    "a tier per million": {
        "schedule": {"service_tiers": {"batch": {"prices": {"input": "1.25"}}}}
    },
}


@pytest.mark.parametrize("changes", SLIPS.values(), ids=SLIPS.keys())
def test_a_price_that_looks_like_a_slip_has_to_be_confirmed(api, changes):
    answer = post(api, **changes)
    assert (answer.status_code, codes_of(answer)) == (422, {"suspicious"})
    assert answer.json()["errors"][0]["doubts"]
    assert not Price.objects.filter(model="a/small").exists()
    assert post(api, **changes, confirm=True).status_code == 201


def test_what_else_is_odd_about_an_added_price_is_told(api):
    assert post(api).json()["doubts"] == []
    dear = post(api, valid_from="2026-06-01T00:00:00Z", input="0.00001", output=None)
    told = " ".join(dear.json()["doubts"])
    assert "input moves by a factor of 40." in told
    assert "output has a price today and would have none of its own." in told


REFUSED = {
    "a rate below zero": {"input": "-1"},
    "a rate beyond reason": {"input": "1000001"},
    "a rate in words": {"input": "cheap"},
    "a rate that is none": {"input": "NaN"},
    "a rate of nineteen places": {"input": "0.0000000000000000001"},
    "a truth for a rate": {"input": True},
    "a model without its provider": {"model": "small"},
    "a model with NUL": {"model": "a/\0"},
    "a moment without its zone": {"valid_from": "2026-03-01T00:00:00"},
    "a moment of Caesar": {"valid_from": "0001-01-01T00:00:00+14:00"},
    "a moment of nobody": {"valid_from": "9999-12-31T00:00:00Z"},
    "an unknown field": {"currency": "EUR"},
    "no rate at all": {"input": None, "output": None},
    "tiers that are no list": {"schedule": {"tiers": 1}},
    "tiers without a threshold": {"schedule": {"tiers": [{"prices": {}}]}},
    "a rate of a tier in words": {
        "schedule": {"service_tiers": {"batch": {"prices": {"input": "cheap"}}}}
    },
    "a region in words": {"schedule": {"geo_multiplier": {"us": "more"}}},
    "a schedule of unknown things": {"schedule": {"discount": "0.5"}},
    "a schedule that is a list": {"schedule": []},
}


@pytest.mark.parametrize("changes", REFUSED.values(), ids=REFUSED.keys())
def test_a_price_that_means_nothing_is_refused(api, changes):
    answer = post(api, **changes)
    assert answer.status_code == 400, answer.content
    assert codes_of(answer)
    assert not Price.objects.filter(source="REST").exists()


def test_an_added_price_is_what_the_next_calls_cost(installation):
    model = installation.model("priced-over-rest")
    caller = installation.caller(scopes=("admin",))

    def cost():
        answer = httpx.post(
            f"{installation.url}/v1/chat/completions",
            headers=caller.headers,
            json={"model": model, "messages": [{"role": "user", "content": "Hello"}]},
        )
        return answer.headers.get("X-Devora-Cost-Usd")

    assert cost() is None
    added = httpx.post(
        f"{installation.url}{PRICES}",
        headers=caller.headers,
        json={"model": model, "per_request": "0.25"},
    )
    assert added.status_code == 201, added.text
    wait_until(lambda: cost() == "0.25")
