"""Price lists over REST: a preview that writes nothing, then all rows or none."""

import datetime as dt
from decimal import Decimal

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from costs.models import Price
from devora_ops.common.models import AuditEntry
from tests.api.callers import as_key, as_person, codes_of

pytestmark = pytest.mark.django_db

IMPORT = "/api/v1/prices/import/"
LIST = "model,input,output\na/small,1.5,4\na/new,1,2\na/slip,0.000001,0.000004\n"


@pytest.fixture
def api():
    Price.objects.create(
        model="a/small",
        valid_from=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        input=Decimal("0.000001"),
        output=Decimal("0.000004"),
        source="list",
    )
    return as_key("admin")


def send(api, text=LIST, headers=None, **more):
    body = {"text": text, "unit": "per_million", **more}
    return api.post(IMPORT, body, format="json", headers=headers)


def send_file(api, content, name="prices.csv", **more):
    body = {"file": SimpleUploadedFile(name, content), "unit": "per_million", **more}
    return api.post(IMPORT, body, format="multipart")


def written():
    return set(
        Price.objects.filter(model__startswith="a/").values_list("model", "source")
    )


def test_a_preview_says_what_would_change_and_writes_nothing(api):
    before = written()
    answer = send(api)
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert (body["dry_run"], body["imported"]) == (True, [])
    assert {name: n for name, n in body["counts"].items() if n} == {
        "changed": 1,
        "new": 1,
        "suspicious": 1,
    }
    changed = body["rows"][0]
    assert (changed["line"], changed["verdict"]) == (2, "changed")
    assert changed["percent"] == {"input": "50.00"}
    assert changed["rates"]["input"] == "0.0000015"
    assert changed["current"]["input"] == "0.000001"
    assert body["rows"][1]["current"] is None
    assert written() == before
    assert not AuditEntry.objects.filter(action="price.import").exists()


def test_what_is_suspicious_is_imported_only_when_it_is_named(api):
    before = written()
    refused = send(api, dry_run=False)
    assert (refused.status_code, codes_of(refused)) == (422, {"rows_refused"})
    assert [row["model"] for row in refused.json()["errors"][0]["rows"]] == ["a/slip"]
    assert written() == before

    taken = send(api, dry_run=False, accept_suspicious=["a/slip"], source="deal")
    assert taken.status_code == 201, taken.content
    assert len(taken.json()["imported"]) == 3
    names = ("a/small", "a/new", "a/slip")
    assert written() == before | {(name, "deal") for name in names}
    assert AuditEntry.objects.filter(action="price.create").count() == 3
    entry = AuditEntry.objects.get(action="price.import")
    assert entry.after["confirmed"] == ["a/slip"]


@pytest.mark.parametrize("dry_run", [True, False])
def test_who_may_only_look_is_refused(api, dry_run):
    before = written()
    for caller, code in (
        (as_key("read"), "insufficient_scope"),
        (as_key("write"), "insufficient_scope"),
        (as_person("Viewer"), "permission_denied"),
    ):
        answer = send(caller, dry_run=dry_run, accept_suspicious=["a/slip"])
        assert (answer.status_code, codes_of(answer)) == (403, {code})
    assert written() == before


def test_an_invalid_row_keeps_all_others_out(api):
    before = written()
    text = LIST + "a/last,-1,4\n"
    answer = send(api, text, dry_run=False, accept_suspicious=["a/slip"])
    assert (answer.status_code, codes_of(answer)) == (422, {"rows_refused"})
    (row,) = answer.json()["errors"][0]["rows"]
    assert (row["line"], row["model"]) == (5, "a/last")
    assert written() == before


def test_the_same_list_again_writes_nothing_new(api):
    for expected in (3, 0):
        again = send(api, dry_run=False, accept_suspicious=["a/slip"])
        assert len(again.json()["imported"]) == expected


def test_a_repeated_key_answers_what_it_answered(api):
    key = {"Idempotency-Key": "once"}
    first = send(api, "model,input,output\na/n,1,2", key, dry_run=False)
    second = send(api, "model,input,output\na/n,1,2", key, dry_run=False)
    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()


def test_an_older_price_stays_and_the_new_one_is_in_force(api):
    send(api, "model,input,output\na/small,1.5,4", dry_run=False)
    old, new = Price.objects.filter(model="a/small").order_by("valid_from")
    assert (old.input, new.input) == (Decimal("0.000001"), Decimal("0.0000015"))
    rows = api.get("/api/v1/prices/?model=a/small&at=now").json()["results"]
    assert [row["id"] for row in rows] == [new.pk]


def test_a_file_is_taken_as_its_own_source(api):
    assert send_file(api, LIST.encode()).json()["dry_run"] is True
    answer = send_file(
        api,
        b'[{"model": "a/n", "input": "1", "output": "2"}]',
        "deal.json",
        dry_run="0",
        accept_suspicious=["a/n"],
    )
    assert answer.status_code == 201, answer.content
    assert Price.objects.get(model="a/n").source == "deal.json"


REFUSED = {
    "nothing": ({"text": ""}, 422, "empty_file"),
    "no text": ({"text": None}, 400, "null"),
    "a workbook's text": ({"text": "PK\x03\x04"}, 415, "type_mismatch"),
    "a unit of another kind": ({"unit": "per_thousand"}, 400, "invalid_choice"),
    "a doubt about dry_run": ({"dry_run": "maybe"}, 400, "invalid"),
    "names that are no list": ({"accept_suspicious": "a/slip"}, 400, "not_a_list"),
    "an unknown field": ({"force": True}, 400, "unknown_field"),
    "a source that turns the text": ({"source": "\u202e"}, 400, "control_character"),
}


@pytest.mark.parametrize(("body", "status", "code"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_import_is_refused_with_its_reason(api, body, status, code):
    answer = send(api, **{"dry_run": False, **body})
    assert (answer.status_code, codes_of(answer)) == (status, {code})


@pytest.mark.parametrize(
    ("content", "more", "status"),
    [
        (b"", {}, 422),
        (b"x" * (2**20 + 1), {}, 413),
        (LIST.encode(), {"dry_run": "maybe"}, 400),
        (LIST.encode(), {"unit": "?"}, 400),
    ],
)
def test_a_file_that_is_no_price_list_is_refused(api, content, more, status):
    before = written()
    answer = send_file(api, content, **more)
    assert answer.status_code == status
    assert codes_of(answer)
    assert written() == before
