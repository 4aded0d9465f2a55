"""What people type, paste and forge on the real admin pages."""

import pytest
from django.test import Client
from django.utils import timezone

from costs.models import Budget, Price
from devora_ops.common.models import AuditEntry, User
from llm.models import Provider
from tests.api.callers import as_person, make_person

pytestmark = pytest.mark.django_db

LOGIN = "/admin/login/"
BUDGETS = "/admin/costs/budget/"
PRICES = "/admin/costs/price/"
PROVIDERS = "/admin/llm/provider/"
BUDGET = {
    "name": "Care",
    "limit_usd": "10",
    "period": "month",
    "time_zone": "Europe/Paris",
    "hard": "on",
    "team": "",
    "agent": "",
    "end_user": "",
    "model": "",
    "prompt": "",
    "experiment": "",
}
PRICE = {
    "model": "a/small",
    "valid_from_0": "2026-01-01",
    "valid_from_1": "00:00:00",
    "source": "list",
    "input": "1",
    "output": "2",
    "schedule": "{}",
}
PROVIDER = {
    "name": "A",
    "slug": "a",
    "kind": "compatible",
    "base_url": "https://api.example.com/v1",
    "secret": "sk-secret-1234",
    "is_active": "on",
}


@pytest.fixture
def owner():
    return as_person("Owner")


def errors_of(answer):
    assert answer.status_code == 200, answer
    return set(answer.context["adminform"].form.errors)


def test_a_form_without_its_token_is_403_without_a_trace():
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(make_person("Owner"))
    for token in ("", "x" * 64):
        body = {**BUDGET, "csrfmiddlewaretoken": token}
        answer = browser.post(f"{BUDGETS}add/", body)
        assert answer.status_code == 403
        assert b"Traceback" not in answer.content
    assert not Budget.objects.exists()


def test_a_form_from_another_site_is_403():
    browser = Client(enforce_csrf_checks=True)
    answer = browser.post(LOGIN, {}, HTTP_ORIGIN="https://evil.example")
    assert answer.status_code == 403


def test_the_session_of_a_disabled_person_leads_to_the_login(owner):
    User.objects.update(is_active=False)
    answer = owner.get(BUDGETS)
    assert answer.status_code == 302
    assert "/login/" in answer.headers["Location"]


@pytest.mark.parametrize("name", ["a\0b", "a" * 10_000, "' OR 1=1 --", "\u202ea"])
def test_a_login_that_is_none_is_a_form_error(name):
    answer = Client().post(LOGIN, {"username": name, "password": "p\0"})
    assert answer.status_code == 200
    assert answer.context["form"].errors


def test_unknown_fields_are_not_saved(owner):
    body = {**BUDGET, "id": "77", "created_at_0": "2001-01-01", "is_superuser": "on"}
    assert owner.post(f"{BUDGETS}add/", body).status_code == 302
    assert Budget.objects.get().created_at.year == timezone.now().year


def test_a_popup_cannot_ask_for_a_password(owner):
    answer = owner.get("/admin/ops/user/?_to_field=password&_popup=1")
    assert answer.status_code == 400


BAD_BUDGETS = {
    "E043": {"limit_usd": "9" * 5000},
    "E042": {"limit_usd": "1e999"},
    "an exponent": {"limit_usd": "1e3"},
    "Arabic digits": {"limit_usd": "١٢"},
    "NaN": {"limit_usd": "NaN"},
    "infinity": {"limit_usd": "Infinity"},
    "a period nobody has": {"period": "Monthly"},
    "a path for a zone": {"time_zone": "../../etc/passwd"},
    "E070": {"name": "a\0b"},
    "E076": {"name": "\u200b\u200b"},
    "E077": {"name": "\u202eevil"},
    "E078": {"name": "a\u0007b"},
    "E081": {"name": "a" * 101},
    "E082": {"name": "a" * 1_000_000},
}


@pytest.mark.parametrize("changes", BAD_BUDGETS.values(), ids=BAD_BUDGETS.keys())
def test_a_bad_budget_is_a_form_error(owner, changes):
    answer = owner.post(f"{BUDGETS}add/", {**BUDGET, **changes})
    assert errors_of(answer) == set(changes)
    assert not Budget.objects.exists()


def test_a_limit_below_zero_is_a_form_error(owner):
    assert errors_of(owner.post(f"{BUDGETS}add/", {**BUDGET, "limit_usd": "-1"}))
    assert not Budget.objects.exists()


def test_a_name_that_differs_in_case_alone_is_a_form_error(owner):
    owner.post(f"{BUDGETS}add/", BUDGET)
    assert errors_of(owner.post(f"{BUDGETS}add/", {**BUDGET, "name": "CARE"}))
    assert Budget.objects.count() == 1


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", '=HYPERLINK("x")', "👩‍👩‍👧"]
)
def test_a_budgets_name_is_stored_raw_and_shown_escaped(owner, name):
    assert owner.post(f"{BUDGETS}add/", {**BUDGET, "name": name}).status_code == 302
    assert Budget.objects.get().name == name
    assert b"<script>alert(1)" not in owner.get(BUDGETS).content


def test_changing_the_window_is_audited_and_keeps_the_budget(owner):
    owner.post(f"{BUDGETS}add/", BUDGET)
    budget = Budget.objects.get()
    body = {**BUDGET, "period": "week", "limit_usd": "0.01"}
    assert owner.post(f"{BUDGETS}{budget.pk}/change/", body).status_code == 302
    entry = AuditEntry.objects.get(action="budget.change")
    assert entry.after
    assert entry.after["period"] == "week"


@pytest.mark.parametrize(
    "changes",
    [{"input": "-1"}, {"input": "1e12"}, {"output": "NaN"}, {"model": "a\0/b"}],
    ids=["E061", "E062", "NaN", "NUL"],
)
def test_a_bad_price_is_a_form_error(owner, changes):
    before = Price.objects.count()
    answer = owner.post(f"{PRICES}add/", {**PRICE, **changes})
    assert errors_of(answer) == set(changes)
    assert Price.objects.count() == before


@pytest.mark.parametrize(
    "changes",
    [
        {"input": "0.0000025"},
        {"output": "900000"},
        {"web_search": "10"},
        {"schedule": '{"geo_multiplier": {"us": 110}}'},
    ],
    ids=repr,
)
def test_a_price_typed_in_another_unit_has_to_be_confirmed(owner, changes):
    before = Price.objects.count()
    answer = owner.post(f"{PRICES}add/", {**PRICE, **changes})
    assert errors_of(answer) == {"confirmed"}
    assert Price.objects.count() == before
    meant = {**PRICE, **changes, "confirmed": "on"}
    assert owner.post(f"{PRICES}add/", meant).status_code == 302
    assert Price.objects.count() == before + 1


@pytest.mark.parametrize("schedule", ['{"k":NaN}', "[" * 100_000, r'{"k":"\u0000"}'])
def test_bad_tiers_are_a_form_error(owner, schedule):
    answer = owner.post(f"{PRICES}add/", {**PRICE, "schedule": schedule})
    assert errors_of(answer) == {"schedule"}


BAD_URLS = {
    "A107": "http://localhost/",
    "A108": "http://169.254.169.254/latest/meta-data/",
    "A109": "http://[::1]/",
    "A110": "http://[::ffff:169.254.169.254]/",
    "A111": "http://[64:ff9b::7f00:1]/",
    "A112": "http://[2002:7f00:1::]/",
    "A113": "http://100.100.100.200/",
    "A116": "http://0x7f.1/",
    "A117": "http://127.1/",
    "A118": "http://017700000001/",
    "A119": "http://127。0。0。1/",
    "A122": "file:///etc/passwd",
    "A126": "https://a.test/\r\nHost: b",
    "A130": "https://{{x}}.openai.azure.com",
    "E102": "http://0.0.0.0/",
    "E103": "http://2130706433/",
    "a login in it": "https://user:pass@api.example.com/",
    "an unclosed bracket": "https://[::1",
}


@pytest.mark.parametrize("url", BAD_URLS.values(), ids=BAD_URLS.keys())
def test_a_forbidden_address_is_a_form_error(owner, url):
    before = Provider.objects.count()
    answer = owner.post(f"{PROVIDERS}add/", {**PROVIDER, "base_url": url})
    assert "base_url" in errors_of(answer)
    assert Provider.objects.count() == before


def test_a_provider_key_is_never_shown_again():
    owner = as_person("Owner")
    provider = Provider.objects.create(
        slug="p",
        name="P",
        kind="openai",
        base_url="https://api.example.com",
        sealed_secret="sealed-ciphertext",
        last_four="1234",
    )
    page = owner.get(f"{PROVIDERS}{provider.pk}/change/").content.decode()
    assert "sealed-ciphertext" not in page
    assert "1234" in page


def test_the_last_owner_cannot_be_deleted_or_lowered():
    owner = as_person("Owner")
    person = User.objects.get()
    User.objects.exclude(pk=person.pk).delete()
    owner.post(f"/admin/ops/user/{person.pk}/delete/", {"post": "yes"})
    owner.post(
        "/admin/ops/user/",
        {"action": "delete_selected", "_selected_action": person.pk, "post": "yes"},
    )
    person = User.objects.get(pk=person.pk)
    assert person.role == "Owner"
