"""Hours that cost far more than usual: found once, told once, muted by a link."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.core import signing
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from costs.alerts.anomalies import notice_anomalies
from costs.alerts.letters import letter
from costs.alerts.unusual import FEWEST_WEEKS, LEAST_USD, usual
from costs.models import Alert, AlertMute, Budget
from devora_ops.common.models import AuditEntry, OutboxMessage, Team, User
from tests.dashboard.ledger import record, settled

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _reachable(settings):
    settings.EMAIL_URL, settings.SLACK_WEBHOOK_URL = "smtp://127.0.0.1", ""
    boss = User.objects.create_user("boss", email="boss@example.com")
    boss.groups.add(Group.objects.get(name="Owner"))


def weeks(*costs, agent="bot", **more):
    """Have the same hour cost so much in each of some past weeks, the last one first."""
    now = timezone.now()
    record(
        *(
            settled(now - timedelta(weeks=n), agent=agent, cost=str(cost), **more)
            for n, cost in enumerate(costs)
        )
    )


def found():
    return [(alert.agent, alert.spent_usd) for alert in notice_anomalies()]


amounts = st.decimals(0, 1_000, places=4)


@given(st.lists(amounts, max_size=12))
def test_what_is_usual_is_never_unusual(costs):
    said = usual(costs)
    if len(costs) < FEWEST_WEEKS:
        assert said is None
    else:
        assert min(costs) <= said.usd <= max(costs)
        assert said.most >= said.usd * 3
        assert said.most >= said.usd + LEAST_USD


def test_one_odd_week_does_not_change_what_is_usual():
    assert usual([Decimal(2)] * 4).most == usual([Decimal(2)] * 4 + [Decimal(900)]).most


def test_an_hour_far_above_its_like_is_found_once():
    weeks(40, 4, 5, 4, 6)
    assert found() == [("bot", Decimal(40))]
    assert found() == []
    (alert,) = Alert.objects.all()
    assert (alert.kind, alert.usual_usd, alert.step) == ("anomaly", Decimal("4.5"), 888)
    (message,) = OutboxMessage.objects.all()
    assert message.payload == {"alert": alert.pk, "to": "boss@example.com"}


@pytest.mark.parametrize(
    "costs",
    [(9, 4, 5, 4, 6), (40, 4, 5), (0.9, 0.01, 0.01, 0.01), (40, 40, 41, 39), (40,)],
    ids=["twice", "two weeks known", "pennies", "as ever", "new"],
)
def test_what_is_not_far_above_or_not_known_is_left_alone(costs):
    weeks(*costs)
    assert found() == []


def test_an_agent_that_was_silent_at_this_hour_is_not_new():
    record(settled(timezone.now() - timedelta(weeks=5, hours=7), agent="bot"))
    weeks(40)
    assert found() == [("bot", Decimal(40))]


def test_what_many_agents_cost_together_is_found_where_none_stands_out():
    for n in range(30):
        weeks(1.1, 0.2, 0.2, 0.2, agent=f"bot-{n}")
    assert found() == [("", Decimal(33))]


def test_what_an_agent_explains_is_not_told_of_all_as_well():
    weeks(90, 1, 1, 1)
    weeks(2, 2, 2, 2, agent="calm")
    assert found() == [("bot", Decimal(90))]


def test_the_demo_is_nobodys_money():
    Team.objects.create(slug="care", name="Care", is_demo=True)
    weeks(40, 4, 5, 4, 6)
    assert found() == []


def test_one_that_goes_on_for_hours_is_told_once():
    weeks(40, 4, 5, 4, 6)
    notice_anomalies()
    Alert.objects.update(period_start=timezone.now() - timedelta(hours=3))
    assert found() == []


def test_its_letter_says_what_is_usual_and_leads_to_the_agent():
    weeks(40, 4, 5, 4, 6, model="openai/gpt-5")
    (alert,) = notice_anomalies()
    written = letter(alert, to="boss@example.com")
    assert written.subject == "[Devora] bot spent $40.00 in an hour"
    assert "usually $4.50" in written.text
    assert "bot · openai/gpt-5: $40.00 (100%)" in written.text
    assert "agent=bot" in written.overview_url
    assert written.mute_url in written.text


def mute_path(written):
    return re.search(r"/alerts/mute/\S+/", written.text)[0]


def test_its_link_mutes_the_agent_without_signing_in(client):
    weeks(40, 4, 5, 4, 6)
    (alert,) = notice_anomalies()
    path = mute_path(letter(alert, to="boss@example.com"))
    page = client.get(path)
    assert "Unusual spend of bot" in page.text
    assert not AlertMute.objects.exists(), "mail servers open links too"
    assert "Nobody is told until" in client.post(path, {"days": "7"}).text
    entry = AuditEntry.objects.get(action="alert.mute")
    assert entry.actor == "link sent to boss@example.com"
    Alert.objects.all().delete()
    OutboxMessage.objects.all().delete()
    assert found() == [("bot", Decimal(40))]
    assert not OutboxMessage.objects.exists()
    client.post(path, {"days": "0"})
    Alert.objects.all().delete()
    notice_anomalies()
    assert OutboxMessage.objects.exists()


def test_a_budgets_link_snoozes_the_budget(client):
    budget = Budget.objects.create(name="Care", limit_usd=5)
    alert = Alert.objects.create(
        budget=budget,
        name="Care",
        kind="actual",
        step=80,
        period_start=timezone.now(),
        limit_usd=5,
        spent_usd=4,
        crossed_at=timezone.now(),
    )
    path = mute_path(letter(alert, to="lead@example.com"))
    assert "Care" in client.get(path).text
    client.post(path, {"days": "1"})
    budget.refresh_from_db()
    left = budget.snoozed_until - timezone.now()
    assert timedelta(hours=23) < left <= timedelta(days=1)
    assert client.post(path, {"days": "99999999999999999999"}).status_code == 400
    budget.delete()
    alert.refresh_from_db()
    assert client.get(path).status_code == 404
    assert letter(alert).mute_url == ""


def test_a_link_that_is_not_ours_or_too_old_changes_nothing(client, time_machine):
    weeks(40, 4, 5, 4, 6)
    (alert,) = notice_anomalies()
    path = mute_path(letter(alert))
    forged = signing.dumps({"budget": None, "agent": "", "to": ""}, salt="other")
    assert client.post(f"/alerts/mute/{forged}/", {"days": "7"}).status_code == 404
    assert client.post(f"{path[:-4]}x/", {"days": "7"}).status_code == 404
    time_machine.move_to(timezone.now() + timedelta(days=41))
    assert client.post(path, {"days": "7"}).status_code == 404
    assert not AlertMute.objects.exists()
