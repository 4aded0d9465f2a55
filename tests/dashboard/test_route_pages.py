"""Routes in the admin: their Owner edits the targets, and an active one has some."""

import pytest
from django.contrib import admin
from django.db import IntegrityError, transaction

from devora_ops.common.models import AuditEntry
from devora_ops.common.roles import PERMISSIONS, ROLES
from llm.models import Model, Provider, Route
from tests.api.callers import as_key, as_person

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


POLICY = {
    "connect_s": "2.5",
    "first_byte_s": "10",
    "between_chunks_s": "30",
    "total_s": "60",
    "max_attempts": "2",
    "allow_duplicates": "on",
    "larger_when_too_long": "on",
}


def test_a_route_takes_a_policy_and_goes_back_to_the_usual_one(model):
    owner = as_person("Owner")
    sent = form_of(**POLICY, **{"targets-0-model": model.pk})
    assert owner.post(f"{ROUTES}add/", sent).status_code == 302
    route = Route.objects.get(slug="smart")
    deadlines = (
        route.connect_s,
        route.first_byte_s,
        route.between_chunks_s,
        route.total_s,
    )
    assert deadlines == (2.5, 10, 30, 60)
    assert (route.max_attempts, route.allow_duplicates) == (2, True)
    assert route.larger_when_too_long
    target = route.targets.get()
    stays = {
        "targets-INITIAL_FORMS": "1",
        "targets-0-id": target.pk,
        "targets-0-route": route.pk,
        "targets-0-model": model.pk,
    }
    address = f"{ROUTES}{route.pk}/change/"
    shown = owner.get(address).content.decode()
    assert 'placeholder="600"' in shown
    assert 'value="60"' in shown  # and not 60.0
    assert owner.post(address, form_of(**stays)).status_code == 302
    route.refresh_from_db()
    assert (route.total_s, route.max_attempts, route.allow_duplicates) == (
        None,
        None,
        False,
    )


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("connect_s", "0", "greater than or equal to 0.1"),
        ("total_s", "601", "less than or equal to 600"),
        ("first_byte_s", "-5", "greater than or equal to 0.1"),
        ("between_chunks_s", "nan", "Enter a number"),
        ("between_chunks_s", "1e400", "Enter a number"),
        ("total_s", "soon", "Enter a number"),
        ("max_attempts", "0", "greater than or equal to 1"),
        ("max_attempts", "4", "less than or equal to 3"),
        ("max_attempts", "9" * 30, "less than or equal to 3"),
        ("max_attempts", "2.5", "Enter a whole number"),
        ("first_byte_s", "90", "A try ends after 60 seconds: enter no more than that."),
    ],
)
def test_a_policy_that_makes_no_sense_is_told_at_its_field(model, field, value, told):
    sent = form_of(**{**POLICY, "targets-0-model": model.pk, field: value})
    answer = as_person("Owner").post(f"{ROUTES}add/", sent)
    assert answer.status_code == 200
    assert told in " ".join(answer.context["adminform"].form.errors[field])
    assert not Route.objects.exists()


def test_no_other_writer_can_store_a_policy_that_makes_no_sense(model):
    Route.objects.create(slug="smart")
    for bad in ({"total_s": 601}, {"connect_s": 0}, {"max_attempts": 4}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Route.objects.update(**bad)


def test_an_owner_bounds_a_providers_calls_at_once():
    provider = Provider.objects.create(
        slug="acme", name="Acme", kind="openai", base_url="https://api.example.com/v1"
    )
    owner, address = as_person("Owner"), f"/admin/llm/provider/{provider.pk}/change/"
    form = {"name": "Acme", "kind": "openai", "base_url": provider.base_url}
    assert 'placeholder="1000"' in owner.get(address).content.decode()
    for size, stored in (("50", 50), ("", None)):
        assert owner.post(address, {**form, "bulkhead_size": size}).status_code == 302
        provider.refresh_from_db()
        assert provider.bulkhead_size == stored
    entry = AuditEntry.objects.filter(action="provider.save").latest("id")
    assert entry.after["bulkhead_size"] is None
    for size in ("0", "10001", "many"):
        answer = owner.post(address, {**form, "bulkhead_size": size})
        assert answer.status_code == 200
        assert answer.context["adminform"].form.errors["bulkhead_size"]


def test_the_policy_of_a_route_is_read_over_rest(model):
    Route.objects.create(slug="smart", total_s=30, allow_duplicates=True)
    (route,) = as_key("read").get("/api/v1/routes/").json()["results"]
    assert (route["total_s"], route["connect_s"]) == (30, None)
    assert (route["max_attempts"], route["allow_duplicates"]) == (None, True)
