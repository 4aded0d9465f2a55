"""Routes in the admin: their Owner edits the targets, and an active one has some."""

import pytest
from django.contrib import admin

from devora_ops.common.roles import PERMISSIONS, ROLES
from llm.models import Model, Provider, Route
from tests.api.callers import as_person

pytestmark = pytest.mark.django_db
ROUTES = "/admin/llm/route/"


@pytest.fixture
def model():
    provider = Provider.objects.create(
        slug="acme", name="Acme", kind="openai", base_url="https://api.example.com/v1"
    )
    return Model.objects.create(provider=provider, name="one")


def form_of(**fields):
    return {
        "slug": "smart",
        "strategy": "priority",
        "default_max_tokens": "4096",
        "is_active": "on",
        "targets-TOTAL_FORMS": "1",
        "targets-INITIAL_FORMS": "0",
        "targets-0-position": "0",
        "targets-0-weight": "1",
        **fields,
    }


def test_an_owner_makes_a_route_with_its_target_and_takes_another_weight(model):
    owner = as_person("Owner")
    sent = form_of(**{"targets-0-model": model.pk})
    assert owner.post(f"{ROUTES}add/", sent).status_code == 302
    route = Route.objects.get(slug="smart")
    target = route.targets.get()
    change = {
        "targets-INITIAL_FORMS": "1",
        "targets-0-id": target.pk,
        "targets-0-route": route.pk,
        "targets-0-model": model.pk,
        "targets-0-weight": "7",
    }
    address = f"{ROUTES}{route.pk}/change/"
    assert owner.post(address, form_of(**change)).status_code == 302
    assert route.targets.get().weight == 7


def test_an_active_route_without_a_target_is_not_saved(model):
    owner = as_person("Owner")
    answer = owner.post(f"{ROUTES}add/", form_of())
    assert "An active route needs at least one target." in answer.content.decode()
    assert not Route.objects.exists()
    assert owner.post(f"{ROUTES}add/", form_of(is_active="")).status_code == 302


def test_the_last_target_of_an_active_route_stays(model):
    route = Route.objects.create(slug="smart")
    target = route.targets.create(model=model)
    sent = form_of(
        **{
            "targets-INITIAL_FORMS": "1",
            "targets-0-id": target.pk,
            "targets-0-route": route.pk,
            "targets-0-model": model.pk,
            "targets-0-DELETE": "on",
        }
    )
    answer = as_person("Owner").post(f"{ROUTES}{route.pk}/change/", sent)
    assert "An active route needs at least one target." in answer.content.decode()
    assert route.targets.exists()


@pytest.mark.parametrize("role", ROLES)
def test_whoever_may_edit_a_thing_may_edit_its_rows(role):
    """An inline whose model the matrix forgets is drawn for nobody."""
    for model, site_admin in admin.site._registry.items():
        for inline in site_admin.inlines:
            for action in ("view", "change", "add", "delete"):
                parent, rows = (
                    f"{m._meta.app_label}.{action}_{m._meta.model_name}"
                    for m in (model, inline.model)
                )
                held = PERMISSIONS[role]
                assert (parent in held) == (rows in held), (parent, rows)
