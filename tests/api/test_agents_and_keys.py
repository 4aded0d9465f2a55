"""Agents and keys over REST: shown, never a secret, and no key makes keys."""

import datetime as dt

import pytest
from django.utils import timezone

from llm.models import Agent, ApiKey
from tests.api.callers import as_key, as_person, codes_of, make_key

pytestmark = pytest.mark.django_db


def test_an_agent_shows_its_team():
    api = as_key("read")
    assert api.get("/api/v1/agents/support/").json()["team"] == "care"
    assert [a["slug"] for a in api.get("/api/v1/agents/").json()["results"]] == [
        "support"
    ]


@pytest.mark.parametrize(("text", "found"), [("Supp", 1), ("%", 0), ("_", 0)])
def test_search_signs_stand_for_themselves(text, found):
    api = as_key("read")
    assert len(api.get("/api/v1/agents/", {"q": text}).json()["results"]) == found


def test_keys_are_listed_without_their_secret():
    token = make_key("call")
    answer = as_person("Owner").get("/api/v1/keys/")
    shown = answer.json()["results"][0]
    assert shown["id"] == token.split("_")[2]
    assert shown["last_four"] == token[-4:]
    assert token.split("_", 3)[3].rsplit("_", 1)[0].encode() not in answer.content
    assert "digest" not in shown


def test_a_key_that_has_ended_is_refused():
    for fields, code in (
        ({"expires_at": timezone.now() - dt.timedelta(seconds=1)}, "key_expired"),
        ({"revoked_at": timezone.now()}, "invalid_api_key"),
    ):
        api = as_key("read")
        ApiKey.objects.order_by("-id")[:1].get()
        ApiKey.objects.update(**{"expires_at": None, "revoked_at": None, **fields})
        answer = api.get("/api/v1/calls/")
        assert answer.status_code == 401
        assert codes_of(answer) == {code}


def test_a_key_of_an_agent_that_is_off_is_refused():
    api = as_key("read")
    Agent.objects.update(is_active=False)
    assert api.get("/api/v1/calls/").status_code == 401


def test_no_key_makes_keys():
    assert as_key("admin").post("/api/v1/keys/", {}, format="json").status_code == 405
