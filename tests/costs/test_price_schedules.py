"""A price that cannot be read is refused, and where one came in it harms nobody else."""

import uuid
from decimal import Decimal
from typing import Any

import httpx
import psycopg
import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from costs.models import Price
from costs.price_rows import RATES
from costs.price_table import all_prices
from costs.pricing import Usage, make_price
from tests.installation_under_test import Installation

BAD: list[Any] = [
    {"tiers": [{"x": 1}]},
    {"tiers": [{"above_input_tokens": "many", "prices": {}}]},
    {"tiers": 5},
    {"service_tiers": {"flex": {"prices": {"input": "-5"}}}},
    {"service_tiers": {"flex": {"prices": {"output": "NaN"}}}},
    {"service_tiers": {"flex": {}}},
    {"geo_multiplier": {"us": "Infinity"}},
    {"geo_multiplier": []},
    {"discount": "0.5"},
    {"geo_multiplier": {"us": "1e400000000"}},
    {"geo_multiplier": {"us": True}},
    [],
    "free",
]
MISLEADING: list[Any] = [
    {"tiers": [{"above_input_tokens": 1000, "prices": {"outptu": "0.00001"}}]},
    {"tiers": [{"above_input_tokens": 1000, "prices": {}, "from": 1}]},
    {"tiers": [{"above_input_tokens": -1, "prices": {}}]},
    {"tiers": [{"above_input_tokens": 1.5, "prices": {}}]},
    {"tiers": [{"above_input_tokens": True, "prices": {}}]},
    {"tiers": [{"above_input_tokens": 7, "prices": {}}] * 2},
    {"service_tiers": {"batch": {"prices": {"imput": "0.00001"}}}},
    {"service_tiers": {"batch": {"prices": {}, "price": {}}}},
    {"geo_multiplier": {"us": 0}},
]


def price(schedule: Any) -> Price:
    return Price(
        model=f"simulator/odd-{uuid.uuid4().hex[:8]}",
        input=1,
        output=1,
        valid_from=timezone.now(),
        source="test",
        schedule=schedule,
    )


@pytest.mark.parametrize("schedule", [*BAD, *MISLEADING], ids=repr)
def test_a_schedule_that_is_none_is_a_form_error(schedule: Any):
    with pytest.raises(ValidationError) as refused:
        price(schedule).clean()
    assert "schedule" in refused.value.message_dict


@pytest.mark.parametrize(
    "schedule",
    [
        {},
        {"tiers": [{"above_input_tokens": 200_000, "prices": {"input": "0.000006"}}]},
        {"service_tiers": {"batch": {"prices": {"input": "0.000001"}}}},
        {"geo_multiplier": {"us": "1.1"}},
    ],
)
def test_a_schedule_of_the_price_tables_shape_passes(schedule: Any):
    price(schedule).clean()


def test_the_shipped_table_has_no_misleading_schedule():
    for fields in all_prices():
        Price(**fields).clean()


def test_a_number_of_a_schedule_is_taken_as_it_is_written():
    schedule = {"service_tiers": {"flex": {"prices": {"input": 0.0000024}}}}
    found = make_price({"id": 0, "schedule": schedule, **dict.fromkeys(RATES)})
    assert found.cost(Usage(input=1), service_tier="flex") == Decimal("0.0000024")


def test_a_bad_price_leaves_other_models_and_later_changes_alone(
    installation: Installation,
):
    good = installation.model("sim-usage-9-3", input="0.000001", output="0.00001")
    with installation.orm():
        bad = [price(schedule) for schedule in BAD[:-2]]
        Price.objects.bulk_create(bad)

    later = installation.caller()  # waits until the gateway takes the younger key

    def ask(model: str) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
        return httpx.post(
            f"{installation.url}/v1/chat/completions",
            json=body,
            headers=later.headers,
            timeout=30,
        )

    assert ask(good).headers["X-Devora-Cost-Usd"]
    unpriced = ask(bad[0].model)
    assert unpriced.status_code == 200
    assert "X-Devora-Cost-Usd" not in unpriced.headers
    installation.stop_web()
    installation.start_web()
    assert ask(good).status_code == 200
    with psycopg.connect(installation.database_url) as database:
        database.execute("DELETE FROM costs_price WHERE model LIKE 'simulator/odd-%'")
