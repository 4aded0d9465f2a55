"""The frame around every page: sidebar, badge, search, language, groups."""

import pytest
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.core.management import call_command
from django.utils import timezone

from devora_ops.common.models import Team, User
from devora_ops.common.roles import PERMISSIONS, ROLES
from llm.models import Provider
from tests.api.callers import as_person
from tests.dashboard.ledger import record, settled

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _empty_cache():
    cache.clear()


def sidebar(person):
    sections = person.get("/").context["sidebar_navigation"]
    return {
        str(section["title"]): [str(item["title"]) for item in section["items"]]
        for section in sections
    }


def test_the_sidebar_shows_what_a_role_may_open():
    assert sidebar(as_person("Viewer"))["Monitor"] == [
        "Overview",
        "Calls",
        "Explain the bill",
        "Check an invoice",
        "What if",
        "Budgets",
        "Alerts",
        "Holds",
        "Digest",
        "Price book",
    ]
    assert "API keys" not in sidebar(as_person("Viewer"))["Platform"]
    assert {"API keys", "Users", "Audit log"} <= set(
        sidebar(as_person("Owner"))["Platform"]
    )
    assert sidebar(as_person(None)) == {"Monitor": [], "Build": [], "Platform": []}


def test_every_page_of_the_sidebar_opens():
    owner = as_person("Owner")
    for section in owner.get("/").context["sidebar_navigation"]:
        for item in section["items"]:
            assert owner.get(item["link"]).status_code == 200, item["link"]


def test_only_the_open_page_is_marked():
    page = as_person("Owner").get("/admin/costs/budget/add/")
    items = [i for s in page.context["sidebar_navigation"] for i in s["items"]]
    assert [str(item["title"]) for item in items if item["active"]] == ["Budgets"]


def badge(person):
    cache.clear()
    return person.get("/").context["environment"][0]


def test_the_badge_says_where_the_numbers_come_from():
    owner = as_person("Owner")
    Provider.objects.all().delete()
    assert badge(owner) == "No provider key"
    Provider.objects.create(slug="p", name="P", kind="openai", sealed_secret="x")
    assert badge(owner) == "Production"
    Team.objects.create(slug="demo", name="Demo", is_demo=True)
    record(settled(timezone.now(), team="demo"))
    assert badge(owner) == "Demo data"


def found(person, term):
    answer = person.get("/admin/search/", {"s": term, "extended": "1"})
    assert answer.status_code == 200
    return answer.content.decode()


def test_ctrl_k_finds_pages_and_things_by_name():
    Team.objects.create(slug="night-shift", name="Night shift")
    owner = as_person("Owner")
    assert 'href="/admin/costs/budget/"' in found(owner, "budg")
    assert "Night shift" in found(owner, "night")
    assert 'href="/admin/llm/apikey/"' not in found(as_person("Viewer"), "api k")


@pytest.mark.parametrize("term", ["", "\0", "%", "a" * 5000, "' OR 1=1 --"])
def test_any_word_may_be_searched_for(term):
    found(as_person("Owner"), term)


def test_the_language_is_switched_and_remembered():
    person = as_person("Viewer")
    answer = person.post("/language/", {"language": "fr"}, HTTP_REFERER="/")
    assert answer.status_code == 302
    assert User.objects.get().language == "fr"
    assert 'lang="fr"' in person.get("/").content.decode()
    person.post("/language/", {"language": "xx"})
    assert User.objects.get().language == "fr"


def test_signing_in_brings_ones_language_along(client):
    User.objects.create_user("jo", password="p", is_staff=True, language="fr")
    client.post("/admin/login/", {"username": "jo", "password": "p"})
    assert client.cookies["django_language"].value == "fr"


def sign_in(client, language="", **sent):
    person = User.objects.create_user("jo", password="p", is_staff=True)
    form = {"username": "jo", "password": "p", **sent}
    headers = {"Accept-Language": language} if language else {}
    client.post("/admin/login/", form, headers=headers)
    person.refresh_from_db()
    return person


def test_the_first_login_asks_the_browser_for_language_and_clock(client):
    person = sign_in(client, "fr-CA,fr;q=0.9", time_zone="America/Montreal")
    assert (person.language, person.time_zone) == ("fr", "America/Montreal")
    assert "America/Montreal" in client.get("/").content.decode()
    assert "America/Montreal" not in client.get("/").content.decode()


def test_a_later_login_changes_nothing(client):
    sign_in(client, "fr", time_zone="Asia/Tokyo")
    client.logout()
    form = {"username": "jo", "password": "p", "time_zone": "Europe/London"}
    client.post("/admin/login/", form, headers={"Accept-Language": "en"})
    person = User.objects.get()
    assert (person.language, person.time_zone) == ("fr", "Asia/Tokyo")


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../../etc/passwd", "\0"])
def test_a_clock_that_nobody_knows_is_left_out(client, zone):
    person = sign_in(client, time_zone=zone)
    assert (person.language, person.time_zone) == ("en", "")
    assert client.get("/").status_code == 200


def test_migrate_brings_the_groups_in_line_with_the_roles():
    Group.objects.all().delete()
    for _ in range(2):
        call_command("migrate", verbosity=0)
    for role in ROLES:
        permissions = Group.objects.get(name=role).permissions
        held = {
            f"{p.content_type.app_label}.{p.codename}"
            for p in permissions.select_related("content_type")
        }
        assert held == PERMISSIONS[role]


def test_migrate_takes_away_what_a_role_no_longer_has():
    viewer = Group.objects.get(name="Viewer")
    editor = Group.objects.get(name="Editor")
    viewer.permissions.add(*editor.permissions.all())
    call_command("migrate", verbosity=0)
    assert viewer.permissions.count() == len(PERMISSIONS["Viewer"])
