"""What a call said: read by who may, told to the audit, and never as markup."""

import datetime as dt
import json

import pytest

from devora_ops.common.models import AuditEntry, User
from devora_ops.common.people import let_see_content
from llm.models import Content
from llm.tasks import keep_content
from tests.api.callers import as_key, as_person, codes_of
from tests.api.test_calls import make_call

pytestmark = pytest.mark.django_db

REQUEST = {"messages": [{"role": "user", "content": "<script>alert(1)</script>"}]}
RESPONSE = {"choices": [{"message": {"content": "Bonjour é"}}]}


@pytest.fixture
def call():
    call = make_call()
    keep(call, json.dumps(REQUEST), json.dumps(RESPONSE))
    return call


def keep(call, request, response="{}"):
    Content.objects.create(call_id=call.id, request=request, response=response)


def url(call):
    return f"/api/v1/calls/{call.id}/content/"


def page(call):
    return f"/admin/costs/call/{call.id}/change/"


def trusted_viewer():
    client = as_person("Viewer")
    user = User.objects.get(pk=client.session["_auth_user_id"])
    let_see_content(user, True)
    return client


def test_who_may_read_content_gets_both_bodies_parsed(call):
    for reader in (as_key("admin"), as_person("Editor"), trusted_viewer()):
        body = reader.get(url(call)).json()
        assert body == {"request": REQUEST, "response": RESPONSE}


def test_every_reading_is_in_the_audit(call):
    as_person("Editor").get(url(call))
    entry = AuditEntry.objects.get(action="content.view")
    assert entry.actor.startswith("user:Editor")
    assert entry.object_id == str(call.id)
    assert entry.request_id


def test_who_may_not_read_content_is_refused_and_not_audited(call):
    for reader in (as_person("Viewer"), as_key("read", "write", "call")):
        assert reader.get(url(call)).status_code == 403
    assert not AuditEntry.objects.exists()


def test_a_call_whose_content_was_not_kept_is_404():
    answer = as_key("admin").get(url(make_call()))
    assert (answer.status_code, codes_of(answer)) == (404, {"not_found"})
    assert not AuditEntry.objects.exists()


def test_content_past_its_days_is_404_before_and_after_it_is_deleted():
    call = make_call(minutes_ago=dt.timedelta(days=30, hours=1).total_seconds() / 60)
    keep(call, "{}")
    assert as_key("admin").get(url(call)).status_code == 404
    assert Content.objects.exists()
    keep_content()
    assert not Content.objects.exists()


@pytest.mark.parametrize("body", ['{"n": [card]}', "[" * 5000, '{"a": 1' + "0" * 40])
def test_what_is_no_json_after_masking_is_shown_as_text(body):
    call = make_call()
    keep(call, body)
    assert as_key("admin").get(url(call)).json()["request"] == body


def test_the_page_of_a_call_shows_content_as_text_to_who_may_read_it(call):
    for reader in (as_person("Owner"), trusted_viewer()):
        shown = reader.get(page(call)).content.decode()
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
        assert "<script>alert(1)" not in shown
        assert "Bonjour é" in shown
    assert AuditEntry.objects.filter(action="content.view").count() == 2


def test_the_page_of_a_call_hides_content_from_a_viewer(call):
    shown = as_person("Viewer").get(page(call)).content.decode()
    assert "Content hidden (ask an owner)" in shown
    assert "alert(1)" not in shown
    assert not AuditEntry.objects.exists()


def test_the_page_of_a_call_says_that_nothing_was_kept():
    shown = as_person("Owner").get(page(make_call())).content.decode()
    assert "No content of this call is kept." in shown


def test_who_sees_no_calls_reads_no_content_on_their_page(call):
    nobody = as_person(None)
    user = User.objects.get(pk=nobody.session["_auth_user_id"])
    let_see_content(user, True)
    assert nobody.get(page(call)).status_code == 403
    assert not AuditEntry.objects.exists()
