"""The page that checks an invoice: what differs, why, and where it leads."""

import datetime as dt

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from devora_ops.common.models import AuditEntry
from tests.api.callers import as_person
from tests.dashboard.ledger import record, settled, utc

pytestmark = pytest.mark.django_db

PAGE = "/costs/invoices/"
MODEL = "openai/gpt-5.2"
HEADER = "date,model,amount_usd\n"


@pytest.fixture
def viewer():
    return as_person("Viewer")


def send(person, text, zone="UTC"):
    content = text if isinstance(text, bytes) else text.encode()
    file = SimpleUploadedFile("march.csv", content)
    return person.post(PAGE, {"file": file, "time_zone": zone})


def shown(person, text, zone="UTC"):
    answer = send(person, text, zone)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_form_asks_for_a_file_and_its_zone(viewer):
    page = viewer.get(PAGE).content.decode()
    assert 'enctype="multipart/form-data"' in page
    assert 'value="UTC"' in page


def test_what_differs_is_shown_with_its_reason_and_its_attempts(viewer):
    record(settled(utc(2026, 3, 1, 12), cost="2"), settled(utc(2026, 3, 2, 12)))
    entries = AuditEntry.objects.count()
    text = f"{HEADER}2026-03-01,{MODEL},2.5\n2026-03-02,{MODEL},0.01\n2026-03-02,x,1\n"
    page = shown(viewer, text)
    assert "the invoice says $3.51, $1.50 more than the $2.01" in page
    assert "2 lines differ" in page
    assert "1 line matches to the cent" in page
    assert "Nothing that we know explains it." in page
    assert "We have recorded no call of this model." in page
    link = "since=2026-03-01T00%3A00%3A00Z%2F2026-03-02T00%3A00%3A00Z&amp;model=openai"
    assert link in page
    assert AuditEntry.objects.count() == entries


def test_days_are_those_of_the_invoices_zone(viewer):
    record(settled(utc(2026, 3, 1, 23, 30), cost="5"))
    text = f"{HEADER}2026-03-02,{MODEL},5\n"
    assert "both say $5.00." in shown(viewer, text, "Europe/Paris")
    assert "both say $5.00." not in shown(viewer, text, "UTC")


def test_the_attempts_of_a_line_are_listed(viewer):
    record(settled(utc(2026, 3, 1, 12), cost="2"))
    answer = send(viewer, f"{HEADER}2026-03-01,{MODEL},2.5\n")
    (table, _matched) = answer.context["tables"]
    (row,) = table["rows"]
    listed = viewer.get(row.url)
    assert listed.status_code == 200
    assert "$2.00" in listed.content.decode()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "The file is empty."),
        (HEADER, "There is a header and no line below it."),
        ("a;b\n1;2", "Separate the columns by commas."),
        (f"{HEADER}2026-03-01,<b>,$5", "Line 2: Write the amount as plain dollars"),
        (b"PK\x03\x04", "This is no CSV file"),
        (b"\xff\xfe", "This is no UTF-8 text."),
        (b"x" * (5 * 2**20 + 1), "An invoice has at most 5 MB."),
        (f"{HEADER}2026-01-01,m,1\n2026-06-01,m,1", "more than 92 days"),
    ],
    ids=lambda it: str(it)[:20],
)
def test_a_bad_file_is_an_error_of_the_form(viewer, text, told):
    page = shown(viewer, text)
    assert told in page
    assert "lines differ" not in page
    assert "<b>" not in page


@pytest.mark.parametrize("zone", ["", "Moon/Sea", "../etc/passwd", "\0"])
def test_a_bad_zone_is_an_error_of_the_form(viewer, zone):
    answer = send(viewer, f"{HEADER}2026-03-01,{MODEL},1", zone)
    assert answer.status_code == 200
    assert answer.context["form"].errors.keys() == {"time_zone"}


def test_a_model_of_the_invoice_is_shown_escaped(viewer):
    page = shown(viewer, f"{HEADER}2026-03-01,<script>alert(1)</script>,1")
    assert "<script>alert(1)" not in page


def test_a_long_report_says_what_it_leaves_out(viewer):
    day = dt.date(2026, 3, 1)
    lines = "".join(f"{day},model-{n},1\n" for n in range(502))
    page = shown(viewer, HEADER + lines)
    assert "502 lines differ" in page
    assert "2 more lines are not shown" in page


def test_without_a_role_the_page_says_who_can_change_that():
    answer = as_person(None).get(PAGE)
    assert answer.status_code == 403
    assert "An owner can change that." in answer.content.decode()
