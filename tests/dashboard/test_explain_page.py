"""The page that explains a bill: its address, its rows, its states."""

import datetime as dt
import re
from zoneinfo import ZoneInfo

import pytest
from django.http import QueryDict
from django.urls import reverse

from costs.explaining import TERMS
from devora_ops.dashboard.two_periods import Days, two_periods
from devora_ops.dashboard.waterfall import LABELS, SENTENCES
from tests.api.callers import as_person
from tests.dashboard.ledger import record, settled, utc

PAGE = "/costs/explain/"
APRIL = "?from=2026-04-01&to=2026-04-30&before_from=2026-03-01&before_to=2026-03-31"
PARIS = ZoneInfo("Europe/Paris")
NOW = utc(2026, 11, 27, 12)


@pytest.fixture
def viewer(db):
    return as_person("Viewer")


def text(answer):
    return " ".join(re.sub(r"<[^>]*>", " ", answer.content.decode()).split())


def shown(viewer, query=APRIL):
    answer = viewer.get(f"{PAGE}{query}")
    assert answer.status_code == 200
    return answer.context["rows"]


def spend():
    record(settled(utc(2026, 3, 10), cost="2"), settled(utc(2026, 3, 10), cost="2"))
    record(settled(utc(2026, 4, 10), cost="1"))
    record(settled(utc(2026, 4, 10), cost="0.25", tries=2))


def test_rows_lead_from_what_was_spent_to_what_is(viewer):
    spend()
    rows = shown(viewer)
    assert [row.label for row in rows] == ["Before", *LABELS.values(), "After"]
    assert rows[0].amount == "$4.00"
    assert rows[-1].amount == "$1.25"
    amounts = {str(row.label): row.amount for row in rows[1:-1] if row.way != "same"}
    assert amounts == {
        "Price": "-$2.00",
        "Volume": "-$1.00",
        "Retries and fallbacks": "+$0.25",
    }
    assert [row.share for row in rows[1:3]] == ["72.7%", "36.4%"]


def test_bars_begin_where_the_one_before_ended(viewer):
    spend()
    price, volume = shown(viewer)[1:3]
    assert (price.left, price.width) == ("50.000", "50.000")
    assert (volume.left, volume.width) == ("25.000", "25.000")


def test_the_page_says_it_in_sentences(viewer):
    spend()
    page = text(viewer.get(f"{PAGE}{APRIL}"))
    assert "$1.25, $2.75 less than" in page
    assert "The same usage costs less at the new prices." in page
    assert "Fewer calls were answered." in page
    assert "Failed and repeated attempts cost more." in page


def test_every_term_has_its_label_and_sentences():
    assert list(LABELS) == list(TERMS)
    assert set(SENTENCES) == {
        f"{name}_{way}" for name in TERMS for way in ("up", "down")
    }


def test_every_link_opens(viewer):
    spend()
    page = viewer.get(f"{PAGE}{APRIL}&team=care")
    for row in page.context["rows"][1:-1]:
        for url in (row.url, row.url_before):
            assert viewer.get(url).status_code == 200
    body = viewer.get(page.context["json_url"]).json()
    assert body["difference_usd"] == "-2.75"


def test_it_draws_bars_without_styles_or_scripts_of_its_own(viewer):
    spend()
    page = viewer.get(f"{PAGE}{APRIL}").content.decode()
    main = page[page.index('class="overview explain"') :]
    table = main[: main.index("</section>")]
    assert 'width="50.000"' in table
    assert "style=" not in table
    assert "<script" not in table


def test_numbers_of_bars_have_no_commas_in_french(viewer):
    spend()
    page = viewer.get(f"{PAGE}{APRIL}", headers={"Accept-Language": "fr"})
    assert 'width="50.000"' in page.content.decode()
    assert "-2,00\u202f$" in page.content.decode()


def test_nothing_spent_is_said_so(viewer):
    assert "Nothing was spent in either period." in text(viewer.get(PAGE))


def test_nothing_spent_under_a_filter_offers_to_remove_it(viewer):
    page = viewer.get(f"{PAGE}?team=nobody")
    assert "Remove the filters" in text(page)


def test_a_period_too_long_is_refused_on_the_page(viewer):
    answer = viewer.get(f"{PAGE}?from=2025-01-01&to=2025-12-31")
    assert answer.status_code == 400
    assert "must not be longer than 92 days" in text(answer)


def test_what_means_nothing_is_named_and_left_out(viewer):
    page = viewer.get(f"{PAGE}?from=%00&before_to=31-12&team=a%00b&to=2026-04-30")
    assert page.status_code == 200
    for name in ("from=", "before_to=31-12", "team=a"):
        assert f"{name}" in text(page)
    assert page.content.decode().count("means nothing here") == 3


def test_who_may_not_see_calls_is_told_so(db):
    answer = as_person(None).get(PAGE)
    assert answer.status_code == 403
    assert "An owner can change that" in text(answer)


def test_strangers_are_led_to_the_login(client):
    assert "/login/" in client.get(PAGE).headers["Location"]


def test_the_sidebar_leads_there(viewer):
    sections = viewer.get(PAGE).context["sidebar_navigation"]
    items = [item for section in sections for item in section["items"]]
    assert [i["link"] for i in items if i["active"]] == [reverse("dashboard:explain")]


# --- Periods ------------------------------------------------------------------------
def read(query):
    return two_periods(QueryDict(query), now=NOW, zone=PARIS)


def days(first, last):
    return Days(dt.date.fromisoformat(first), dt.date.fromisoformat(last))


def test_without_an_address_it_is_a_week_that_is_not_over_and_the_one_before():
    found = read("")
    assert found.days_after == days("2026-11-21", "2026-11-27")
    assert found.days_before == days("2026-11-14", "2026-11-20")
    assert found.after.end == NOW
    assert found.before.end == NOW - dt.timedelta(days=7)


def test_days_are_those_of_the_zone_and_the_last_one_counts():
    found = read("from=2026-03-29&to=2026-03-29")
    assert found.after.start == utc(2026, 3, 28, 23)
    assert found.after.end == utc(2026, 3, 29, 22)  # a day of 23 hours
    assert found.days_before == days("2026-03-28", "2026-03-28")


def test_a_period_that_is_named_is_taken_whole():
    found = read("before_from=2026-11-01&before_to=2026-11-07")
    assert found.before.end == utc(2026, 11, 7, 23)


def test_half_a_period_before_is_completed_to_equal_length():
    part = "from=2026-04-01&to=2026-04-10"
    begun = read(f"{part}&before_from=2026-01-01").days_before
    assert begun == days("2026-01-01", "2026-01-10")
    ended = read(f"{part}&before_to=2026-01-10").days_before
    assert ended == days("2026-01-01", "2026-01-10")


@pytest.mark.parametrize(
    "query",
    [
        "from=2026-05-02&to=2026-05-01",
        "from=2027-01-01",
        "from=9999-12-31",
        "to=0001-01-01",
        "before_from=2026-05-02&before_to=2026-05-01",
    ],
)
def test_what_is_no_period_falls_back_to_the_usual_one_and_says_so(query):
    found = read(query)
    assert found.days_after == days("2026-11-21", "2026-11-27")
    assert len(found.ignored) == 1
