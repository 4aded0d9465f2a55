"""The admin's base class and form fields: hostile input comes back as a form error."""

import pytest
from django.contrib.admin.sites import all_sites
from django.test import Client
from django.urls import include, path
from unfold.sites import UnfoldAdminSite

from devora_ops.common.forms import SafeModelAdmin
from devora_ops.common.ids import uuid7
from devora_ops.common.models import OutboxMessage, User

pytestmark = pytest.mark.django_db

site = UnfoldAdminSite(name="admin")
all_sites.discard(site)


class MessageAdmin(SafeModelAdmin):
    """An admin with text, JSON, numbers and a filter."""

    fields = ("kind", "payload", "dedup_key", "attempts", "last_error")
    list_filter = ("kind", "created_at")
    search_fields = ("kind",)


site.register(OutboxMessage, MessageAdmin)
urlpatterns = [
    path("admin/", site.urls),
    path("", include("devora_ops.dashboard.urls")),
]

LIST = "/admin/ops/outboxmessage/"
GOOD = {
    "kind": "mail",
    "payload": "[1]",
    "dedup_key": "k",
    "attempts": "0",
    "last_error": "",
}


@pytest.fixture
def admin(settings):
    settings.ROOT_URLCONF = __name__
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def make(kind="mail"):
    return OutboxMessage.objects.create(kind=kind, dedup_key=str(uuid7()))


@pytest.mark.parametrize(
    "query",
    [
        "kind__exact=%00",
        "kind=a%00b",
        "%00=1",
        "id__exact=abc",
        "attempts__exact=abc",
        "attempts__exact=" + "9" * 5000,
        "created_at__year=99999",
        "created_at__gte=yesterday",
    ],
)
def test_a_lookup_that_makes_no_sense_leads_to_the_whole_list(admin, query):
    answer = admin.get(f"{LIST}?{query}")
    assert answer.status_code == 302
    assert answer.headers["Location"].endswith("?e=1")
    assert admin.get(answer.headers["Location"]).status_code == 200


@pytest.mark.parametrize("query", ["p=99999", "q=%25%25", "q=" + "a" * 5000, "e=1"])
def test_an_odd_query_is_a_list_all_the_same(admin, query):
    assert admin.get(f"{LIST}?{query}").status_code == 200


@pytest.mark.parametrize("chosen", ["abc", "9" * 5000, "\0", ""])
def test_an_action_on_what_is_no_id_does_nothing(admin, chosen):
    kept = make()
    answer = admin.post(
        LIST, {"action": "delete_selected", "_selected_action": chosen, "index": "0"}
    )
    assert answer.status_code in (200, 302)
    assert OutboxMessage.objects.get() == kept


@pytest.mark.parametrize("name", ["abc", "%00", "9" * 300, "..%2f..%2fetc"])
@pytest.mark.parametrize("page", ["change", "delete", "history"])
def test_an_address_of_nothing_leads_elsewhere(admin, name, page):
    assert admin.get(f"{LIST}{name}/{page}/").status_code in (302, 404)


BAD_FIELDS = {
    "E036": ("payload", r'{"k":"\u0000"}'),
    "E038": ("payload", '{"k":NaN}'),
    "E039": ("payload", "[" * 100_000),
    "too deep": ("payload", "[" * 900 + "]" * 900),
    "surrogate": ("payload", r'{"k":"\ud800"}'),
    "a key twice": ("payload", '{"a":1,"a":2}'),
    "raw NUL": ("payload", "\0"),
    "E043": ("attempts", "9" * 5000),
    "E070": ("kind", "a\0b"),
    "E076": ("kind", "\u200b\u200b"),
    "E077": ("kind", "\u202eevil"),
    "E078": ("kind", "a\u0007b"),
    "E081": ("kind", "a" * 101),
    "E082": ("kind", "a" * 1_000_000),
    "NUL in a long text": ("last_error", "a\0b"),
}


@pytest.mark.parametrize(("field", "value"), BAD_FIELDS.values(), ids=BAD_FIELDS.keys())
def test_a_bad_field_is_a_form_error(admin, field, value):
    answer = admin.post(f"{LIST}add/", {**GOOD, field: value})
    assert answer.status_code == 200
    assert answer.context["adminform"].form.errors.keys() == {field}
    assert not OutboxMessage.objects.exists()


@pytest.mark.parametrize(
    "kind", ["<script>alert(1)</script>", '=HYPERLINK("http://e")', "\uffff", "👩‍👩‍👧"]
)
def test_a_name_is_stored_raw_and_shown_escaped(admin, kind):
    answer = admin.post(f"{LIST}add/", {**GOOD, "kind": kind})
    assert answer.status_code == 302
    assert OutboxMessage.objects.get().kind == kind
    page = admin.get(f"{LIST}?o=1").content.decode()
    assert "<script>alert" not in page


def test_good_json_is_stored(admin):
    admin.post(f"{LIST}add/", {**GOOD, "payload": '{"a": [1, null, "é"]}'})
    assert OutboxMessage.objects.get().payload == {"a": [1, None, "é"]}
