"""The standing callers: people by role, keys by scope."""

import itertools

from django.contrib.auth.models import Group
from rest_framework.test import APIClient

from devora_ops.common import apikeys
from devora_ops.common.models import Team, User
from llm.models import Agent, ApiKey

_numbers = itertools.count()


def make_person(role):
    """Return a person of a role, able to open the admin; None for no role at all."""
    person = User.objects.create_user(
        f"{role or 'nobody'}-{next(_numbers)}", is_staff=True
    )
    if role:
        person.groups.add(Group.objects.get_or_create(name=role)[0])
    return person


def make_key(*scopes, **fields):
    """Return the token of a new key; its agent is called `support`."""
    team, _ = Team.objects.get_or_create(slug="care", defaults={"name": "Care"})
    agent, _ = Agent.objects.get_or_create(
        slug="support", defaults={"name": "Support", "team": team}
    )
    minted = apikeys.mint()
    ApiKey.objects.create(
        public_id=minted.public_id,
        digest=minted.digest,
        last_four=minted.token[-4:],
        agent=agent,
        scopes=list(scopes),
        **fields,
    )
    return minted.token


def as_person(role):
    """Return a client that is signed in as a person of a role."""
    client = APIClient()
    client.force_login(make_person(role))
    return client


def as_key(*scopes):
    """Return a client that sends a key of these scopes."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {make_key(*scopes)}")
    return client


def codes_of(answer):
    """Return the error codes of an answer after checking its shape."""
    body = answer.json()
    assert answer.headers["Content-Type"].startswith("application/json"), body
    assert body.keys() == {"type", "errors"}, body
    assert answer.headers["X-Request-Id"]
    assert all(error.keys() >= {"code", "detail", "attr"} for error in body["errors"])
    return {error["code"] for error in body["errors"]}
