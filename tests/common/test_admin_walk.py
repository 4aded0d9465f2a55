"""Every admin page: open to the roles of the matrix, and deaf to hostile addresses."""

import re

import pytest
from django.contrib import admin
from django.urls import reverse

from devora_ops.common.models import User
from devora_ops.common.roles import PERMISSIONS, ROLES
from tests.api.callers import as_person
from tests.api.routes import routes

pytestmark = pytest.mark.django_db

MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
# What the base class does about them is tested beside it; here each page has a turn.
HOSTILE_QUERIES = ("id__exact=%00", "created_at__year=99999", "q=%25%00", "p=99999")
HOSTILE_PATHS = ("%00/change/", "abc/delete/", "..%2f..%2fetc/history/")


_MODEL_PAGE = re.compile(r"admin:[a-z]+_[a-z]+_(changelist|add|history|delete|change)")
OF_NOBODY = {
    "admin:login",
    "admin:logout",
    "admin:jsi18n",
    "dashboard:digest-stop",  # its address is the permission
    "dashboard:favicon",
    "dashboard:language",
    "dashboard:mute",  # so is this
}
OF_STAFF = {
    "api-docs",
    "api-schema",
    "admin:index",
    "admin:app_list",
    "admin:search",
    "admin:autocomplete",
    "admin:view_on_site",
    "admin:password_change",
    "admin:password_change_done",
    "dashboard:digest",
    "dashboard:explain",
    "dashboard:invoices",
    "dashboard:what-if",
    "dashboard:overview",
    "dashboard:panel",
    "dashboard:facet",
    "dashboard:export",
}
# The method to try, and the role it needs.
RESTRICTED = {
    "admin:costs_price_import_prices": ("GET", "Editor"),
    "admin:costs_price_reprice": ("GET", "Owner"),
    "admin:auth_user_password_change": ("GET", "Owner"),
    "admin:prompts_prompt_new_version": ("GET", "Editor"),
    "admin:prompts_promptversion_new_version": ("GET", "Editor"),
    "admin:prompts_promptversion_move_label": ("GET", "Editor"),
    "admin:costs_budget_preview": ("POST", "Editor"),
    "admin:prompts_promptversion_preview": ("POST", "Editor"),
    "admin:experiments_experiment_start": ("GET", "Editor"),
    "admin:experiments_experiment_stop": ("GET", "Editor"),
    "admin:experiments_experiment_promote": ("GET", "Editor"),
}


def address(model, page, *args):
    opts = model._meta
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_{page}", args=args)


def permitted(role, model, action):
    name = f"{model._meta.app_label}.{action}_{model._meta.model_name}"
    return name in PERMISSIONS[role]


@pytest.fixture
def root(client):
    client.force_login(User.objects.create_superuser("root"))
    return client


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_roles_see_and_change_what_the_matrix_says(model):
    for role in ROLES:
        person = as_person(role)
        seen = person.get(address(model, "changelist")).status_code
        assert seen == (200 if permitted(role, model, "view") else 403), role
        for action, page, args in (
            ("add", "add", ()),
            ("change", "change", ("none",)),
            ("delete", "delete", ("none",)),
        ):
            if not permitted(role, model, action):
                answer = person.post(address(model, page, *args), {})
                assert answer.status_code == 403, (role, action)


def test_every_page_is_a_models_or_in_the_table():
    others = {
        route.name
        for route in routes()
        if not route.path.startswith("/api/v1/")
        and not _MODEL_PAGE.fullmatch(route.name)
        and not route.name.startswith("admin/")  # old addresses, and the catch-all
    }
    assert others == OF_NOBODY | OF_STAFF | RESTRICTED.keys()


@pytest.mark.parametrize("name", sorted(OF_STAFF))
def test_a_page_of_staff_asks_strangers_to_sign_in(name, client):
    path = next(route.path for route in routes() if route.name == name)
    answer = client.get(path)
    assert answer.status_code == (401 if name == "api-schema" else 302)
    assert as_person("Viewer").get(path).status_code in (200, 302, 403, 404, 405)


@pytest.mark.parametrize("name", sorted(RESTRICTED))
def test_a_restricted_page_is_closed_to_lower_roles(name, client):
    path = next(route.path for route in routes() if route.name == name)
    method, needed = RESTRICTED[name]
    assert client.generic(method, path).status_code == 302
    for role in ROLES:
        status = as_person(role).generic(method, path).status_code
        allowed = ROLES.index(role) >= ROLES.index(needed)
        assert status in ((200, 302, 404) if allowed else (403,)), role


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_people_without_a_role_and_strangers_see_nothing(model, client):
    assert as_person(None).get(address(model, "changelist")).status_code == 403
    answer = client.get(address(model, "changelist"))
    assert answer.status_code == 302
    assert "/login/" in answer.headers["Location"]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_hostile_addresses_are_no_crash(model, root):
    for query in HOSTILE_QUERIES:
        answer = root.get(f"{address(model, 'changelist')}?{query}")
        assert answer.status_code in (200, 302, 400), query
    for path in HOSTILE_PATHS:
        answer = root.get(address(model, "changelist") + path)
        assert answer.status_code in (302, 403, 404), path


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_an_action_on_what_is_no_id_is_no_crash(model, root):
    body = {"action": "delete_selected", "_selected_action": "a\0", "index": "0"}
    answer = root.post(address(model, "changelist"), body)
    assert answer.status_code in (200, 302, 400)


@pytest.mark.parametrize("term", ["%00", "%25"])
def test_completion_of_hostile_words_is_no_crash(root, term):
    for model in MODELS:
        opts = model._meta
        for field in opts.fields:
            if field.is_relation:
                answer = root.get(
                    f"/admin/autocomplete/?term={term}&app_label={opts.app_label}"
                    f"&model_name={opts.model_name}&field_name={field.name}"
                )
                assert answer.status_code < 500
