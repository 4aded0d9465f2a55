"""The Overview and its panels: what each role sees, states, addresses and files."""

import csv
import html
import io
import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.cache import cache
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from costs.models import Budget
from costs.scores import score_record
from devora_ops.common.models import AuditEntry
from devora_ops.dashboard.panels import PANELS
from llm.models import Breaker
from tests.api.callers import as_person
from tests.dashboard.ledger import record, settled

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _empty_cache():
    cache.clear()


@pytest.fixture
def viewer():
    return as_person("Viewer")


def panel(person, name, query=""):
    return person.get(f"/overview/{name}/{query}")


def text(answer):
    return answer.content.decode()


@pytest.mark.parametrize("role", ["Viewer", "Editor", "Owner"])
def test_every_role_sees_every_panel(role):
    record(settled(timezone.now()))
    person = as_person(role)
    assert person.get("/").status_code == 200
    for name in PANELS:
        answer = panel(person, name)
        assert answer.status_code == 200, name
        assert answer.headers["X-Devora-Panel"] == name


def test_a_person_without_a_role_sees_that_an_owner_can_help():
    nobody = as_person(None)
    assert nobody.get("/").status_code == 200
    for name in PANELS:
        answer = panel(nobody, name)
        assert answer.status_code == 403
        assert "An owner can change that" in text(answer)
    assert nobody.get("/overview/cost.csv").status_code == 403
    assert nobody.get("/overview/facet/agent/").status_code == 403


@pytest.mark.parametrize("address", ["/", "/overview/tiles/", "/overview/cost.csv"])
def test_strangers_are_led_to_the_login(client, address):
    answer = client.get(address)
    assert answer.status_code == 302
    assert "/admin/login/" in answer.headers["Location"]


def test_a_panel_of_an_ended_session_sends_the_whole_page_to_the_login(client):
    answer = client.get("/overview/tiles/", headers={"HX-Request": "true"})
    assert answer.headers["HX-Redirect"] == "/admin/login/"


def test_the_admins_index_leads_to_the_overview(viewer):
    assert viewer.get("/admin/").headers["Location"] == "/"


def test_the_shell_asks_no_rollup(viewer):
    record(settled(timezone.now()))
    viewer.get("/")
    with connection.execute_wrapper(_no_rollups):
        assert "hx-get" in text(viewer.get("/"))


def _no_rollups(execute, sql, params, many, context):
    assert "costs_rollup" not in str(sql)
    return execute(sql, params, many, context)


def test_without_scripts_the_panels_come_with_the_page(viewer):
    record(settled(timezone.now(), cost="0.1234"))
    page = text(viewer.get("/?panels=inline"))
    assert "$0.1234" in page
    assert 'aria-busy="true"' not in page
    assert "panels=inline" in text(viewer.get("/"))


def test_tiles_say_what_was_spent_and_by_how_many_calls(viewer):
    record(*(settled(timezone.now(), cost="0.25") for _ in range(3)))
    page = text(panel(viewer, "tiles"))
    assert ">$0.75<" in page
    assert ">3<" in page
    assert "Goal met:" in page
    assert "/admin/costs/call/?since=7d" in page


def test_the_success_tile_tells_the_quality_once_somebody_judged(viewer):
    call = settled(timezone.now())
    record(call)
    assert "Quality" not in text(panel(viewer, "tiles"))
    score_record(call_id=call.call.id, value=8.46, scored_by="test")
    cache.clear()
    assert "Quality 8.5 of 10 (1 scored)" in text(panel(viewer, "tiles"))


def test_a_filter_narrows_every_panel(viewer):
    record(
        settled(timezone.now(), agent="bot", model="openai/bots-model"),
        settled(timezone.now(), agent="writer", model="openai/writers-model"),
    )
    for name in ("cost", "feed"):
        page = text(panel(viewer, name, "?agent=bot"))
        assert "bots-model" in page, name
        assert "writers-model" not in page, name


def test_a_chart_has_a_sentence_a_legend_a_table_and_its_numbers(viewer):
    record(settled(timezone.now(), cost="0.6"), settled(timezone.now(), model="a/b"))
    page = text(panel(viewer, "cost"))
    assert "Spend $0.61" in page
    assert "openai/gpt-5.2 is 98% of it" in page
    assert 'id="figure-cost" type="application/json"' in page
    assert '<table class="legend">' in page
    assert "View as table" in page


def test_a_name_cannot_break_out_of_the_page(viewer):
    name = "</script><script>alert(1)</script>"
    record(settled(timezone.now(), agent=name, model=f"a/{name}"))
    for panel_name in ("cost", "feed"):
        page = text(panel(viewer, panel_name, "?by=agent"))
        assert "<script>alert" not in page
    assert "<script>alert" not in text(viewer.get("/", {"agent": name, "range": name}))


def test_no_calls_in_this_range_offers_a_wider_one(viewer):
    page = text(panel(viewer, "cost", "?range=1h"))
    assert "No calls in this period." in page
    assert "range=30d" in page
    page = text(panel(viewer, "latency", "?agent=nobody"))
    assert "No calls match these filters." in page


def test_a_value_that_means_nothing_is_noticed_and_the_rest_stands(viewer):
    page = text(viewer.get("/?range=1y&agent=bot&extra=kept"))
    assert "range=1y means nothing here" in page
    assert 'name="extra" value="kept"' in page
    assert "Remove the filter </span>Agent: <b>bot</b>" in page


@pytest.mark.parametrize("query", ["?agent=%00", "?range=%00&by=%ff", "?team=!"])
def test_hostile_parameters_are_no_crash(viewer, query):
    assert viewer.get(f"/{query}").status_code == 200
    for name in PANELS:
        assert panel(viewer, name, query).status_code == 200


def test_a_filter_bar_that_was_asked_for_pushes_the_short_address(viewer):
    answer = viewer.get("/?range=7d&agent=bot", headers={"HX-Request": "true"})
    assert answer.headers["HX-Push-Url"] == "/?agent=bot"
    assert answer.headers["HX-Trigger-After-Swap"] == "filters-changed"


def test_what_was_drawn_is_kept_for_a_moment_and_per_language(viewer):
    panel(viewer, "tiles")
    record(settled(timezone.now(), cost="0.25"))
    assert "$0.25" not in text(panel(viewer, "tiles"))
    assert "$0.25" in text(panel(viewer, "tiles", "?agent=bot"))


def test_a_panel_that_cannot_read_says_so_and_the_others_stand(viewer):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE costs_rollup_work RENAME TO away")
    answer = panel(viewer, "latency")
    assert answer.status_code == 503
    assert "This panel could not be drawn." in text(answer)
    assert answer.headers["X-Request-Id"] in text(answer)
    assert panel(viewer, "feed").status_code == 200


def test_a_facet_lists_values_with_their_calls(viewer):
    record(settled(timezone.now(), agent="bot"), settled(timezone.now(), agent="bot"))
    page = text(viewer.get("/overview/facet/agent/?agent=chosen&agent=!not"))
    assert 'value="bot"' in page
    assert "<small>2</small>" in page
    assert 'value="chosen" checked' in page
    assert 'value="!not" checked' in page
    assert viewer.get("/overview/facet/password/").status_code == 404


@pytest.mark.parametrize("address", ["/overview/nothing/", "/overview/feed.csv"])
def test_what_does_not_exist_is_404(viewer, address):
    assert viewer.get(address).status_code == 404


def rows_of(answer, delimiter=","):
    assert answer.headers["Content-Type"].startswith("text/csv")
    decoded = answer.content.decode("utf-8-sig")
    return list(csv.reader(io.StringIO(decoded), delimiter=delimiter))


def test_a_file_holds_exactly_the_charts_numbers(viewer):
    record(settled(timezone.now(), cost="0.25"), settled(timezone.now(), model="=1+1"))
    rows = rows_of(viewer.get("/overview/cost.csv?range=24h"))
    header = ["bucket_start_utc", "bucket_start_local", "openai/gpt-5.2", "'=1+1"]
    assert rows[0] == header
    assert len(rows) == 1 + 96
    assert sum(Decimal(row[2]) for row in rows[1:]) == Decimal("0.25")


def test_a_french_file_opens_in_a_french_excel(viewer):
    record(settled(timezone.now(), cost="0.25"))
    answer = viewer.get("/overview/cost.csv", headers={"Accept-Language": "fr"})
    assert "7d-Europe-Paris.csv" in answer.headers["Content-Disposition"]
    assert "0,25" in rows_of(answer, ";")[-1][2]


def test_a_download_is_audited(viewer):
    viewer.get("/overview/latency.csv?range=24h")
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.object_id) == ("export", "latency")
    assert entry.after == {"query": "range=24h"}


def test_a_full_budget_needs_attention(viewer):
    full = Budget.objects.create(name="Care", limit_usd=10)
    Budget.objects.create(name="Roomy", limit_usd=10)
    full.counters.create(period_start=_month_start(), spent=9, held=Decimal("0.5"))
    page = text(panel(viewer, "standing"))
    assert "Budget “Care” is at 95%" in page
    assert "Budget “Roomy”" not in page
    assert page.count('role="progressbar"') == 2


def _month_start():
    with connection.cursor() as cursor:
        cursor.execute("SELECT costs_period_start('month', 'UTC', now())")
        return cursor.fetchone()[0]


def test_a_failing_provider_needs_attention(viewer):
    now = timezone.now()
    record(*(settled(now, status="error") for _ in range(6)))
    record(*(settled(now) for _ in range(4)))
    page = text(panel(viewer, "standing"))
    assert "openai fails 60% of the time" in page
    (link,) = re.findall(r'href="([^"]*costs/attempt[^"]*)"', page)
    found = viewer.get(html.unescape(link)).content.decode()
    assert len(set(re.findall(r"costs/attempt/([0-9a-f-]{36})/", found))) == 6


def test_a_provider_that_others_stood_in_for_needs_attention(viewer):
    now = timezone.now()
    record(*(settled(now, tries=3) for _ in range(5)))
    assert "openai fails 67% of the time" in text(panel(viewer, "standing"))


@pytest.mark.parametrize(
    ("error", "http"),
    [("client_gone", None), ("shutting_down", None), ("context_length_exceeded", 400)],
)
def test_what_others_are_to_blame_for_is_no_failure_of_a_provider(viewer, error, http):
    now = timezone.now()
    failures = (settled(now, status="error", error=error, http=http) for _ in range(20))
    record(*failures)
    assert "fails" not in text(panel(viewer, "standing"))


@pytest.mark.parametrize(
    ("target", "reason", "says"),
    [
        ("openai", "provider_auth_failed", "openai refuses our credential"),
        ("openai", "provider_credit_exhausted", "says that there is no credit left"),
        ("openai/gpt-5", "provider_error", "openai/gpt-5 keeps failing"),
    ],
)
def test_what_is_left_alone_needs_attention(viewer, target, reason, says):
    since = timezone.now() - timedelta(minutes=7)
    breaker = Breaker.objects.create(
        target=target, state="open", reason=reason, changed_at=since
    )
    page = text(panel(viewer, "standing"))
    assert says in page
    assert "For 7\N{NO-BREAK SPACE}minutes: calls go elsewhere, or fail." in page
    assert viewer.get(_link_in(page, breaker)).status_code == 200
    breaker.forced = "closed"
    breaker.save()
    cache.clear()
    assert says not in text(panel(viewer, "standing"))


def _link_in(page: str, breaker: Breaker) -> str:
    link = reverse("admin:llm_breaker_change", args=[breaker.pk])
    assert f'href="{link}"' in page
    return link


def test_quiet_is_said_too(viewer):
    page = text(panel(viewer, "standing"))
    assert "Nothing: providers answer and budgets hold." in page
    assert "No budget yet" in page


def test_until_the_first_call_there_is_a_checklist(viewer):
    page = text(viewer.get("/"))
    assert "Waiting for your first call" in page
    assert "curl http" in page
    assert "from openai import OpenAI" in page
    record(settled(timezone.now()))
    assert "Waiting for your first call" not in text(viewer.get("/"))


@pytest.mark.parametrize(
    "query",
    [
        "?range=mtd",
        "?range=last_month",
        "?range=custom&from=2026-01-01&to=2026-10-01",
        "?range=24h&cmp=year&tz=Asia/Kolkata",
        "?range=1h&cmp=none",
        "?user=ada&key=k1&status=ok",
        "?prompt=welcome&exp=shorter&status=!error",
    ],
)
def test_every_state_of_an_address_draws_every_panel(viewer, query):
    record(settled(timezone.now(), user="ada", key="k1", prompt="welcome"))
    assert viewer.get(f"/{query}").status_code == 200
    for name in PANELS:
        assert panel(viewer, name, query).status_code == 200, name


def test_filters_of_one_user_narrow_the_feed_and_the_chart(viewer):
    record(
        settled(timezone.now(), user="ada", model="openai/adas"),
        settled(timezone.now(), user="bob", model="openai/bobs"),
    )
    for name in ("cost", "feed"):
        page = text(panel(viewer, name, "?user=ada"))
        assert "openai/adas" in page
        assert "openai/bobs" not in page


def test_what_crosses_is_noticed_and_kept_out_of_the_next_address(viewer):
    page = text(viewer.get("/?user=ada&prompt=welcome"))
    assert "user=ada cannot be combined with the rest" in page
    assert 'name="user"' not in page
    assert '<input type="hidden" name="prompt" value="welcome">' in page


def test_without_a_comparison_nothing_rises_or_falls(viewer):
    record(settled(timezone.now()), settled(timezone.now() - timedelta(days=100)))
    assert "new: nothing in" in text(panel(viewer, "tiles"))
    assert "new: nothing in" not in text(panel(viewer, "tiles", "?cmp=none"))


def test_the_sidebar_keeps_filters_on_the_way_to_the_calls_and_back(viewer):
    page = text(viewer.get("/?range=24h&agent=bot&user=ada"))
    calls = "/admin/costs/call/?since=24h&amp;agent=bot&amp;end_user=ada"
    assert f'href="{calls}"' in page
    page = text(viewer.get(calls.replace("&amp;", "&")))
    assert 'href="/?range=24h&amp;agent=bot&amp;user=ada"' in page


def test_one_answer_is_told_as_one(viewer):
    record(settled(timezone.now()))
    assert "The one answer came within" in text(panel(viewer, "latency"))
