"""A provider's invoice against the ledger: what matches, what differs and why."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from costs.models import Attempt
from devora_ops.common.models import AuditEntry, Team
from tests.api.callers import as_key, codes_of
from tests.dashboard.ledger import record, settled, utc

pytestmark = pytest.mark.django_db

INVOICES = "/api/v1/costs/invoices/"
MODEL = "openai/gpt-5.2"
HEADER = "date,model,amount_usd\n"


@pytest.fixture
def api():
    return as_key("read")


def post(api, text, query=""):
    content = text if isinstance(text, bytes) else text.encode()
    return api.generic("POST", f"{INVOICES}{query}", content, content_type="text/csv")


def compared(api, text, query=""):
    answer = post(api, text, query)
    assert answer.status_code == 200, answer.json()
    return answer.json()


def spend(day, cost, **more):
    return settled(utc(2026, 3, day, 12), cost=cost, **more)


def causes(body):
    return {(row["day"], row["model"]): row["cause"] for row in body["unmatched"]}


def test_the_same_to_the_cent_is_matched(api):
    record(spend(1, "1.234"), spend(2, "2"))
    body = compared(api, f"{HEADER}2026-03-01,{MODEL},1.23\n2026-03-02,{MODEL},2.00\n")
    assert body["unmatched"] == []
    assert [row["difference_usd"] for row in body["matched"]] == ["-0.004", "0"]
    assert (body["ours_usd"], body["theirs_usd"]) == ("3.234", "3.23")
    assert (body["first_day"], body["last_day"]) == ("2026-03-01", "2026-03-02")


def test_a_difference_is_told_in_dollars_and_percent(api):
    record(spend(1, "2"))
    (row,) = compared(api, f"{HEADER}2026-03-01,{MODEL},2.5")["unmatched"]
    assert (row["ours_usd"], row["theirs_usd"]) == ("2", "2.5")
    assert (row["difference_usd"], row["percent"]) == ("0.5", 25.0)
    assert row["cause"] == "unexplained"


def test_lines_of_one_day_and_model_are_summed(api):
    record(spend(1, "3"))
    body = compared(api, f"{HEADER}2026-03-01,{MODEL},1\n2026-03-01,{MODEL},2\n")
    assert body["matched"][0]["theirs_usd"] == "3"


@pytest.mark.parametrize(
    "text",
    [
        "provider,date,model,amount_usd\nopenai,2026-03-01,gpt-5.2,1\n",
        "\ufeffDate,Model,Amount (USD)\r\n2026-03-01,openai/gpt-5.2,1\r\n",
        "date,model,cost\r2026-03-01,GPT-5.2,1.00",
        'Cost USD,note,Model Name,Day\n1,"a, ""b""",gpt-5.2,2026-03-01\n\n',
        "date,model,amount_usd\r\n\n2026-03-01,gpt-5.2,1\n",
    ],
)
def test_headers_are_read_in_many_spellings(api, text):
    record(spend(1, "1"))
    assert len(compared(api, text)["matched"]) == 1


def test_a_file_of_a_form_is_read_as_well(api):
    record(spend(1, "1"))
    file = SimpleUploadedFile("march.csv", f"{HEADER}2026-03-01,{MODEL},1".encode())
    answer = api.post(INVOICES, {"file": file}, format="multipart")
    assert len(answer.json()["matched"]) == 1


def test_days_that_make_up_for_each_other_lie_in_another_zone(api):
    record(settled(utc(2026, 3, 1, 23, 30), cost="5"), spend(1, "1"), spend(2, "1"))
    text = f"{HEADER}2026-03-01,{MODEL},1\n2026-03-02,{MODEL},6\n"
    assert set(causes(compared(api, text)).values()) == {"time_zone"}
    assert causes(compared(api, text, "?tz=Europe/Paris")) == {}


def test_a_model_that_we_never_saw_is_said_to_be_unknown(api):
    record(spend(1, "1"))
    body = compared(api, f"{HEADER}2026-03-01,{MODEL},1\n2026-03-01,gpt-9,4")
    assert causes(body) == {("2026-03-01", "gpt-9"): "model_unknown"}
    assert body["unmatched"][0]["ours_usd"] is None


def test_attempts_without_a_price_explain_what_we_lack(api):
    unpriced = spend(1, "1")
    unpriced.attempts[0].cost_usd = None
    record(unpriced)
    body = compared(api, f"{HEADER}2026-03-01,{MODEL},1")
    assert causes(body) == {("2026-03-01", MODEL): "unpriced"}


def test_estimated_usage_is_the_last_thing_to_blame(api):
    guessed = spend(1, "1")
    guessed.attempts[0].estimated = True
    record(guessed)
    body = compared(api, f"{HEADER}2026-03-01,{MODEL},0.9")
    assert causes(body) == {("2026-03-01", MODEL): "estimated"}


def test_what_the_invoice_lacks_is_listed_of_its_own_providers_only(api):
    record(spend(1, "1"), spend(1, "2", model="openai/other"))
    record(spend(1, "4", model="anthropic/claude-opus-5"))
    body = compared(api, f"{HEADER}2026-03-01,{MODEL},1")
    assert causes(body) == {("2026-03-01", "openai/other"): "unexplained"}
    assert body["unmatched"][0]["theirs_usd"] is None
    assert body["ours_usd"] == "3"


def test_nobody_charges_for_what_the_demo_makes_up(api):
    Team.objects.create(slug="play", name="Play", is_demo=True)
    made_up = spend(1, "7", team="play")
    made_up.attempts[0].estimated = True
    record(spend(1, "1"), spend(1, "2", team="work"), made_up)
    body = compared(api, f"{HEADER}2026-03-01,{MODEL},3.5")
    assert (body["ours_usd"], body["difference_usd"]) == ("3", "0.5")
    assert causes(body) == {("2026-03-01", MODEL): "unexplained"}


BAD = {
    "G001": ("", "empty_file", 1),
    "G002": (HEADER, "no_rows", 1),
    "G007": ("date,,model,amount\n2026-03-01,x,m,1", "invalid_header", 1),
    "G013": ("date;model;amount_usd\n2026-03-01;m;1", "delimiter", 1),
    "G022": (f"{HEADER}2026-03-01,{'x' * 200_000},1", "field_too_long", 2),
    "G024": (f"{HEADER}2026-03-01,m,1\n2026-03-01,m", "columns", 3),
    "G032": ("<table><tr><td>date</td></tr></table>", "missing_columns", 1),
    "G041": (f"{HEADER}2026-03-01,m,=cmd|' /C calc'!A0", "invalid_number", 2),
    "G043": (f"{HEADER}2026-03-01,m,1 000", "invalid_number", 2),
    "G044": (f"{HEADER}2026-03-01,m,$5", "invalid_number", 2),
    "G046": (f"{HEADER}2026-03-01,m,١٢", "invalid_number", 2),
    "G049": (f"{HEADER}2026-03-01,m,Infinity", "invalid_number", 2),
    "G050": (f"{HEADER}2026-03-01,m,-0.01", "invalid_number", 2),
    "G051": (f"{HEADER}2026-03-01,m,1e30", "invalid_number", 2),
    "G052": (f"{HEADER}2026-03-01,m,0.0000000001", "invalid_number", 2),
    "G053": (f"{HEADER}2026-03-01,m,", "blank", 2),
    "G057": (f"{HEADER}01/02/2026,m,1", "invalid_date", 2),
    "G058": (f"{HEADER}45000,m,1", "invalid_date", 2),
    "G069": (f"{HEADER}2026-03-01,\u202em,1", "control_character", 2),
    "a day that is none": (f"{HEADER}2026-02-30,m,1", "invalid_date", 2),
    "a model that is blank": (f"{HEADER}2026-03-01, ,1", "blank", 2),
    "a NUL": (f"{HEADER}2026-03-01,a\0b,1", "nul_character", 2),
    "an open quote": (f'{HEADER}2026-03-01,"m,1', "invalid_csv", 2),
    "Latin-1": (HEADER.encode() + b"2026-03-01,\xe9,1", "encoding", 2),
    "two amounts": ("date,model,cost,amount\n", "duplicate_column", 1),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_with_the_line(api, name):
    text, code, line = BAD[name]
    refusal = post(api, text)
    assert refusal.status_code == 422
    assert codes_of(refusal) == {code}
    (error,) = refusal.json()["errors"]
    assert error["line"] == line
    assert error["detail"].startswith(f"Line {line}: ")


def test_a_sheet_that_is_no_text_is_refused(api):
    refusal = post(api, b"PK\x03\x04rest")
    assert refusal.status_code == 415
    assert codes_of(refusal) == {"type_mismatch"}


def test_too_much_is_refused(api):
    assert post(api, b'"' * (5 * 2**20 + 1)).status_code == 413
    lines = "2026-03-01,m,1\n" * 50_001
    assert codes_of(post(api, HEADER + lines)) == {"too_many"}
    far = f"{HEADER}2026-01-01,m,1\n2026-06-01,m,1"
    assert codes_of(post(api, far)) == {"range_too_long"}


def test_a_request_without_a_file_is_told_so(api):
    assert codes_of(api.post(INVOICES, {}, format="multipart")) == {"required"}
    empty = {"file": SimpleUploadedFile("empty.csv", b"")}
    refusal = api.post(INVOICES, empty, format="multipart")
    assert (refusal.status_code, codes_of(refusal)) == (422, {"empty_file"})
    assert api.post(INVOICES, {"file": "x"}, format="json").status_code == 415


def test_nothing_is_written(api):
    record(spend(1, "1"))
    facts, entries = Attempt.objects.count(), AuditEntry.objects.count()
    compared(api, f"{HEADER}2026-03-01,{MODEL},9")
    assert (Attempt.objects.count(), AuditEntry.objects.count()) == (facts, entries)
