"""The page that asks what calls would have cost: its forms, its answers, its states."""

import re
from decimal import Decimal
from urllib.parse import urlencode

import pytest
from django.urls import reverse

from costs.models import Price
from costs.pricing import Usage
from tests.api.callers import as_person
from tests.dashboard.ledger import record, settled, utc

PAGE = "/costs/what-if/"
APRIL = {"from": "2026-04-01", "to": "2026-04-30"}


@pytest.fixture
def viewer(db):
    return as_person("Viewer")


@pytest.fixture(autouse=True)
def cheap(db):
    Price.objects.create(
        model="b/cheap",
        valid_from=utc(2026, 1, 1),
        input=Decimal("0.001"),
        output=Decimal("0.002"),
        source="list",
    )


def text(answer):
    return " ".join(re.sub(r"<[^>]*>", " ", answer.content.decode()).split())


def ask(viewer, **query):
    return viewer.get(f"{PAGE}?{urlencode({**APRIL, **query}, doseq=True)}")


def told(viewer, **query):
    answer = ask(viewer, **query)
    assert answer.status_code == 200, text(answer)
    return answer.context["found"]


def served(*, route="smart", fingerprint=None, model="a/dear", cost="2", **more):
    settlement = settled(utc(2026, 4, 10), model=model, cost=cost, **more)
    attempt = settlement.attempts[-1]
    attempt.route = route
    attempt.usage = Usage(input=1000, output=100)
    settlement.call.fingerprint = fingerprint
    record(settlement)


ROUTES = {"view": "routes", "requested": "smart", "target": "b/cheap"}


def test_it_begins_with_a_question(viewer):
    page = text(ask(viewer))
    assert "Name a model, and a price to try" in page
    assert "Name the route" in text(ask(viewer, view="routes"))
    assert "Choose for how long" in text(ask(viewer, view="cache"))


def test_another_model_has_its_price(viewer):
    served()
    found = told(viewer, **{"of": "a/dear", "as": "b/cheap"})
    assert found.sentence == "$1.20 instead of $2.00: $0.80 less."
    assert ("Difference", "-$0.80 (-40.0%)") in found.figures
    assert any("same tokens" in one for one in found.assumptions)


def test_prices_are_asked_for_per_million(viewer):
    served()
    found = told(viewer, of="a/dear", input="3000", output="0")
    assert found.sentence == "$3.00 instead of $2.00: $1.00 more."


def test_calls_of_a_route_are_served_by_others(viewer):
    served()
    found = told(viewer, **ROUTES)
    assert found.sentence == "$1.20 instead of $2.00: $0.80 less."
    assert [model for model, _ in found.rows] == ["a/dear", "b/cheap"]
    assert "95% interval" not in dict(found.figures)


def test_weights_share_the_calls(viewer):
    served(model="b/cheap", cost="1.2")
    Price.objects.create(
        model="c/free", valid_from=utc(2026, 1, 1), input=0, output=0, source="list"
    )
    query = {
        "view": "routes",
        "requested": "smart",
        "strategy": "weighted",
        "target": ["b/cheap", "c/free"],
        "weight": ["1", "3"],
    }
    assert told(viewer, **query).sentence == "$0.30 instead of $1.20: $0.90 less."


def test_equal_calls_would_have_been_hits(viewer):
    served(fingerprint=7)
    served(fingerprint=7)
    found = told(viewer, view="cache", ttl_s="3600")
    assert found.sentence == "$2.00 instead of $4.00: $2.00 less."
    assert ("Would have been hits", "50.0%") in found.figures


def test_filters_and_the_form_come_back(viewer):
    served(team="sales")
    served(team="care")
    answer = ask(viewer, **ROUTES, team="sales")
    assert answer.context["found"].sentence.endswith("less.")
    assert "$2.00" in answer.context["found"].sentence
    page = answer.content.decode()
    for value in ("smart", "b/cheap", "sales", "2026-04-01"):
        assert f'value="{value}"' in page


def test_tabs_keep_the_period_and_the_filters(viewer):
    answer = ask(viewer, team="sales")
    for _name, _label, url in answer.context["tabs"]:
        assert "from=2026-04-01&to=2026-04-30&team=sales" in url
        assert viewer.get(f"{PAGE}{url}").status_code == 200


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"of": "a/dear"}, "Give rates"),
        ({"of": "a/dear", "as": "x/none"}, "x/none has no price"),
        ({"of": "a/dear", "input": "cheap"}, "input:"),
        ({**ROUTES, "target": ""}, "targets:"),
        ({**ROUTES, "target": "x/none"}, "x/none has no price"),
        ({**ROUTES, "strategy": "fastest"}, "strategy:"),
        ({**ROUTES, "weight": "much"}, "weight:"),
        ({"view": "cache", "ttl_s": "0"}, "ttl_s:"),
        ({"view": "cache", "ttl_s": "soon"}, "ttl_s:"),
        ({**ROUTES, "from": "2020-01-01"}, "must not be longer"),
    ],
)
def test_what_is_no_question_is_told_on_the_page(viewer, query, says):
    answer = ask(viewer, **query)
    assert answer.status_code == 400
    assert says in text(answer)


def test_what_means_nothing_is_named_and_left_out(viewer):
    answer = ask(viewer, of="a\0", team="b\0")
    assert answer.status_code == 200
    assert answer.content.decode().count("means nothing here") == 2


def test_nothing_found_is_said_so(viewer):
    assert "no such attempt" in text(ask(viewer, **ROUTES))
    assert "No call of this period" in text(ask(viewer, view="cache", ttl_s="60"))


def test_names_are_never_markup(viewer):
    page = ask(viewer, **{**ROUTES, "requested": '"><script>alert(1)</script>'})
    assert "<script>alert" not in page.content.decode()


def test_who_may_not_see_calls_is_told_so(db):
    answer = as_person(None).get(PAGE)
    assert answer.status_code == 403
    assert "An owner can change that" in text(answer)


def test_strangers_are_led_to_the_login(client):
    assert "/login/" in client.get(PAGE).headers["Location"]


def test_the_sidebar_leads_there(viewer):
    sections = viewer.get(PAGE).context["sidebar_navigation"]
    items = [item for section in sections for item in section["items"]]
    assert [i["link"] for i in items if i["active"]] == [reverse("dashboard:what-if")]
