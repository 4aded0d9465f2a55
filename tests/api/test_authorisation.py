"""Who reaches what: every REST address × method × caller against one table."""

import pytest

from tests.api.callers import as_key, as_person
from tests.api.routes import routes

pytestmark = pytest.mark.django_db

READ = ("Viewer", "read")
WRITE = ("Editor", "write")
CALL = ("Editor", "call")
BUDGET = ("Editor", "admin")
ANY = ("Viewer", None)

# The role that a person needs, and the scope that a key needs.
TABLE: dict[str, dict[str, tuple[str, str | None]]] = {
    "api-schema": {"GET": ANY},
    "costs-call-list": {"GET": READ},
    "costs-call-detail": {"GET": READ},
    "costs-call-score": {"POST": CALL},
    "costs-attempt-list": {"GET": READ},
    "costs-spend-list": {"GET": READ},
    "costs-what-if": {"POST": READ},
    "costs-spend-explain": {"GET": READ},
    "costs-invoice-check": {"POST": READ},
    "costs-metrics-overview": {"GET": READ},
    "costs-budget-list": {"GET": READ, "POST": BUDGET},
    "costs-alert-list": {"GET": READ},
    "costs-budget-forecast": {"GET": READ},
    "costs-budget-detail": {
        "GET": READ,
        "PUT": BUDGET,
        "PATCH": BUDGET,
        "DELETE": BUDGET,
    },
    "costs-budget-preview": {"POST": READ},
    "costs-price-list": {"GET": READ, "POST": BUDGET},
    "costs-price-import": {"POST": BUDGET},
    "costs-price-unpriced": {"GET": READ},
    "costs-price-reprice": {"POST": ("Owner", "admin")},
    "costs-price-drift": {"GET": READ},
    "llm-agent-list": {"GET": READ},
    "llm-agent-detail": {"GET": READ},
    "llm-key-list": {"GET": ("Owner", "read")},
    "llm-content-detail": {"GET": ("Editor", "admin")},
    "llm-route-list": {"GET": READ},
    "llm-route-dry-run": {"POST": READ},
    "llm-what-if-route": {"POST": READ},
    "llm-what-if-cache": {"POST": READ},
    "rag-corpus-list": {"GET": READ, "POST": WRITE},
    "rag-corpus-detail": {"GET": READ},
    "rag-document-list": {"GET": READ, "POST": WRITE},
    "rag-document-detail": {"GET": READ, "DELETE": WRITE},
    "rag-corpus-search": {"POST": CALL},
    "prompts-prompt-list": {"GET": READ, "POST": WRITE},
    "prompts-prompt-detail": {"GET": READ},
    "prompts-version-list": {"GET": READ, "POST": WRITE},
    "prompts-version-detail": {"GET": READ},
    "prompts-label-detail": {"PUT": WRITE},
    "prompts-prompt-render": {"POST": CALL},
    "experiments-experiment-list": {"GET": READ, "POST": WRITE},
    "experiments-experiment-detail": {"GET": READ},
    "experiments-experiment-start": {"POST": WRITE},
    "experiments-experiment-stop": {"POST": WRITE},
    "experiments-experiment-promote": {"POST": WRITE},
    "experiments-experiment-summary": {"GET": READ},
    "experiments-unit-assign": {"POST": CALL},
    "experiments-outcome-list": {"POST": CALL},
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
ROLES = ("Viewer", "Editor", "Owner")
SCOPES = ("call", "read", "write", "admin")


def api_routes():
    """Return path by name of everything below /api/ but the page of the reference."""
    found = {route.name: route.path for route in routes()}
    return {
        name: path
        for name, path in found.items()
        if path.startswith("/api/") and name != "api-docs"
    }


def test_the_table_names_every_rest_address_and_no_other():
    assert api_routes().keys() == TABLE.keys()


def reaches(needed, *, role=None, scope=None):
    """Say whether the table lets a caller through."""
    needed_role, needed_scope = needed
    if role is not None:
        return ROLES.index(role) >= ROLES.index(needed_role)
    return scope in (needed_scope, "admin") or needed_scope is None


def let_in(client, method, path):
    """Say whether a caller was let in; a refusal must be a 403."""
    status = client.generic(method, path).status_code
    assert status not in (401, 405)
    assert status < 500
    return status != 403


@pytest.mark.parametrize("name", TABLE)
def test_people_reach_what_their_role_reaches(name):
    path = api_routes()[name]
    for role in ROLES:
        person = as_person(role)
        for method, needed in TABLE[name].items():
            found = let_in(person, method, path)
            assert found == reaches(needed, role=role), (role, method)


@pytest.mark.parametrize("name", TABLE)
def test_keys_reach_what_their_scope_reaches(name):
    path = api_routes()[name]
    for scope in SCOPES:
        key = as_key(scope)
        for method, needed in TABLE[name].items():
            found = let_in(key, method, path)
            assert found == reaches(needed, scope=scope), (scope, method)


@pytest.mark.parametrize("name", TABLE)
def test_people_without_a_role_and_keys_without_a_scope_reach_nothing(name):
    path = api_routes()[name]
    for method in TABLE[name]:
        assert not let_in(as_person(None), method, path)
        assert name == "api-schema" or not let_in(as_key(), method, path)


@pytest.mark.parametrize("name", TABLE)
def test_strangers_are_asked_who_they_are(name, client):
    path = api_routes()[name]
    for method in METHODS:
        assert client.generic(method, path).status_code == 401, method


@pytest.mark.parametrize("name", TABLE)
def test_methods_that_the_table_does_not_name_are_405(name):
    path = api_routes()[name]
    named = TABLE[name].keys() | ({"HEAD"} if "GET" in TABLE[name] else set())
    owner = as_person("Owner")
    for method in set(METHODS) - named:
        assert owner.generic(method, path).status_code == 405, method
