"""Budgets' steps: found once, told once, in words that help."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.utils import timezone

from costs.alerts.crossings import notice, notice_forecasts, tell
from costs.alerts.letters import letter
from costs.alerts.sending import HANDLERS, slack_text
from costs.models import Alert, Budget
from costs.outlook import budget_forecast
from devora_ops.common import outbox
from devora_ops.common.models import OutboxMessage, Team, User
from tests.dashboard.ledger import record, settled
from tests.fakes.mail import MailServer, Slack, serving

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _reachable(settings):
    settings.EMAIL_URL = "smtp://127.0.0.1"
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_TIMEOUT = "127.0.0.1", 5
    settings.SLACK_WEBHOOK_URL = ""


@pytest.fixture
def mail(settings):
    with serving(MailServer()) as server:
        settings.EMAIL_PORT = server.port
        yield server


@pytest.fixture
def slack(settings):
    with serving(Slack()) as server:
        settings.SLACK_WEBHOOK_URL = server.url
        yield server


def budget(**more):
    told = {"alert_emails": ["lead@example.com"], "alert_slack": False}
    return Budget.objects.create(**{"name": "Care", "limit_usd": 100, **told, **more})


def spend(of, amount, *, passed=0.5, period=timedelta(days=30)):
    """Let a budget's running period have spent an amount."""
    began = timezone.now() - period * passed
    of.counters.all().delete()
    of.counters.create(
        period_start=began, period_end=began + period, spent=Decimal(amount)
    )


def steps():
    return [(alert.kind, alert.step) for alert in Alert.objects.order_by("id")]


def due_now():
    OutboxMessage.objects.update(not_before=None)


def relay():
    return outbox.relay(HANDLERS, for_s=30)


def test_each_step_is_found_once_however_often_somebody_looks():
    spend(budget(alert_forecast=False), 85)
    assert len(notice()) == 2
    assert notice() == []
    assert steps() == [("actual", 50), ("actual", 80)]
    assert OutboxMessage.objects.count() == 1


def test_a_jump_past_several_steps_is_told_once_and_names_them(mail, slack):
    mine = budget(
        alert_steps=[50, 80, 100], alert_forecast=False, alert_slack=True, hard=True
    )
    spend(mine, 105)
    notice()
    relay()
    (mailed,), (posted,) = mail.accepted, slack.accepted
    assert "Care at 100% of $100.00" in mailed["Subject"]
    for part in ("plain", "html"):
        assert "Also crossed: 50%, 80%." in mailed.get_body((part,)).get_content()
    assert "Also crossed: 50%, 80%." in posted["text"]
    assert steps() == [("actual", 50), ("actual", 80), ("actual", 100)]
    assert notice() == []
    assert relay() == 0


def test_a_step_crossed_later_is_told_by_itself():
    mine = budget(alert_steps=[50, 80, 100], alert_forecast=False)
    spend(mine, 85)
    notice()
    mine.counters.update(spent=100)
    (alert,) = notice()
    assert (alert.step, alert.lower.count()) == (100, 0)
    assert "Also crossed" not in letter(alert).text
    assert OutboxMessage.objects.count() == 2


def test_budgets_that_jump_at_once_are_told_apart():
    for name in ("One", "Two"):
        spend(budget(name=name, alert_forecast=False), 85)
    assert len(notice()) == 4
    told = Alert.objects.filter(told_with=None)
    assert {(alert.name, alert.step) for alert in told} == {("One", 80), ("Two", 80)}
    assert all(
        each.told_with.name == each.name for each in Alert.objects.exclude(pk__in=told)
    )


def test_a_jump_that_nobody_is_told_of_was_told_with_none():
    spend(budget(snoozed_until=timezone.now() + timedelta(hours=1)), 90, passed=0.9)
    notice()
    assert not Alert.objects.exclude(told_with=None).exists()


def test_what_was_crossed_just_before_a_period_ended_is_found_after_it():
    spend(budget(alert_forecast=False), 50, passed=1.0002)
    notice()
    assert steps() == [("actual", 50)]


def test_a_period_long_over_is_left_alone():
    spend(budget(), 500, passed=1.1)
    assert notice() == []


def test_another_limit_is_another_step():
    mine = budget(alert_steps=[50], alert_forecast=False)
    spend(mine, 60)
    notice()
    mine.limit_usd = 110
    mine.save()
    assert [alert.limit_usd for alert in notice()] == [110]


def yesterdays(cost, *, days=14, **more):
    """Record what each of the last days has cost."""
    now = timezone.now()
    each = (now - timedelta(n) for n in range(1, days + 1))
    record(*(settled(at, cost=cost, **more) for at in each))


def test_a_limit_that_will_not_last_is_told_before_it_is_reached():
    mine = budget(alert_steps=[])
    spend(mine, 40, passed=0.25)
    yesterdays("4")
    assert notice() == []
    (alert,) = notice_forecasts()
    assert (alert.kind, alert.step) == ("forecast", 100)
    (counter,) = mine.counters.all()
    said = budget_forecast(
        mine, spent=Decimal(40), ends=counter.period_end, now=alert.crossed_at
    )
    assert alert.projected_usd == pytest.approx(said.usd, abs=Decimal("0.01"))
    assert OutboxMessage.objects.count() == 1
    assert notice_forecasts() == []


def test_a_forecast_goes_by_weekdays_as_the_pages_do():
    """Half of the period cost 60 % of the limit, but of late there is hardly a call."""
    spend(budget(alert_steps=[]), 60, passed=0.5)
    yesterdays("0.10")
    assert notice_forecasts() == []


@pytest.mark.parametrize(
    ("spent", "passed", "a_day"),
    [(20, 0.05, None), (20, 0.25, "2"), (100, 0.5, "9"), (40, 1.0002, "9")],
    ids=["too early", "it lasts", "it is reached", "it is over"],
)
def test_no_forecast(spent, passed, a_day):
    spend(budget(alert_steps=[]), spent, passed=passed)
    if a_day:
        yesterdays(a_day)
    assert notice_forecasts() == []


def test_a_scope_that_has_no_sums_is_foreseen_at_the_plain_pace():
    mine = budget(alert_steps=[], experiment="which")
    spend(mine, 40, passed=0.05)
    assert notice_forecasts() == [], "not before three days"
    spend(mine, 40, passed=0.25)
    (alert,) = notice_forecasts()
    assert 159 < alert.projected_usd < 161


def test_a_snoozed_budget_tells_nobody_and_forgets_nothing():
    spend(budget(snoozed_until=timezone.now() + timedelta(hours=1)), 60, passed=0.9)
    notice()
    assert steps() == [("actual", 50)]
    assert not OutboxMessage.objects.exists()


def test_the_demos_budgets_tell_nobody():
    Team.objects.create(slug="demo-team", name="Demo team", is_demo=True)
    spend(budget(team="demo-team", alert_steps=[50], alert_forecast=False), 60)
    assert len(notice()) == 1
    assert not OutboxMessage.objects.exists()


def test_without_addresses_every_owner_who_has_one_is_told():
    owner = User.objects.create_user("ada", email="ada@example.com")
    owner.groups.add(Group.objects.get(name="Owner"))
    gone = User.objects.create_user("eve", email="eve@example.com", is_active=False)
    gone.groups.add(Group.objects.get(name="Owner"))
    User.objects.create_user("bob", email="bob@example.com")
    spend(budget(alert_emails=[], alert_steps=[50]), 60, passed=0.9)
    notice()
    (message,) = OutboxMessage.objects.all()
    assert message.payload["to"] == "ada@example.com"


def test_long_addresses_that_begin_alike_are_both_told_once():
    told = [f"{'a' * 60}@{'b' * 60}.{'c' * 60}.{'d' * 50}{n}.example" for n in "12"]
    spend(budget(alert_steps=[50], alert_emails=told, alert_forecast=False), 60)
    (alert,) = notice()
    assert {m.payload["to"] for m in OutboxMessage.objects.all()} == set(told)
    tell(alert)
    assert OutboxMessage.objects.count() == 2


@pytest.mark.parametrize("phase", ["greeting", "mail", "rcpt", "data", "end"])
def test_mail_that_fails_is_sent_again_and_arrives_once(mail, phase):
    mail.failures = [phase] * 3
    spend(budget(alert_steps=[50], alert_forecast=False), 60)
    notice()
    for tries in (1, 2, 3):
        relay()
        (message,) = OutboxMessage.objects.all()
        assert (message.attempts, message.done_at) == (tries, None)
        assert message.last_error
        assert relay() == 0, "it waits before it is tried again"
        due_now()
    assert relay() == 1
    assert len(mail.accepted) == 1


def test_a_server_gone_before_its_receipt_gets_the_same_message_id_again(mail):
    mail.failures = ["hang-up"]
    spend(budget(alert_steps=[50], alert_forecast=False), 60)
    notice()
    relay()
    due_now()
    relay()
    first, second = mail.accepted
    assert first["Message-ID"] == second["Message-ID"]


def test_an_address_that_nobody_has_is_given_up_and_the_others_are_told(mail):
    mail.refused = frozenset({"gone@example.com"})
    told = ["gone@example.com", "lead@example.com"]
    spend(budget(alert_steps=[50], alert_emails=told, alert_forecast=False), 60)
    notice()
    relay()
    gone, lead = OutboxMessage.objects.order_by("id")
    assert gone.given_up_at is not None
    assert "550" in gone.last_error
    assert lead.done_at is not None


def test_a_relay_that_dies_leaves_its_message_to_another(mail):
    spend(budget(alert_steps=[50], alert_forecast=False), 60)
    notice()
    outbox._take(HANDLERS)  # and it is gone
    assert relay() == 0
    due_now()  # its lease has run out
    assert relay() == 1
    assert len(mail.accepted) == 1


def test_slack_is_left_alone_as_long_as_it_asks(slack):
    slack.answers = [(500, {}), (429, {"Retry-After": "120"})]
    spend(budget(alert_steps=[50], alert_slack=True, alert_forecast=False), 60)
    notice()
    OutboxMessage.objects.filter(kind="alert.email").delete()
    relay()
    due_now()
    relay()
    (message,) = OutboxMessage.objects.all()
    assert message.not_before - timezone.now() > timedelta(seconds=100)
    due_now()
    relay()
    (told,) = slack.accepted
    assert "Budget “Care” is at 50%" in told["text"]


def test_a_webhook_that_is_gone_is_given_up_without_its_address(slack):
    slack.answers = [(410, {})]
    spend(budget(alert_steps=[50], alert_slack=True, alert_forecast=False), 60)
    notice()
    OutboxMessage.objects.filter(kind="alert.email").delete()
    relay()
    (message,) = OutboxMessage.objects.all()
    assert message.given_up_at is not None
    assert "secret" not in message.last_error


def test_a_letter_says_what_it_went_to_and_leads_there(mail):
    now = timezone.now()
    record(
        settled(now, agent="bot", model="openai/gpt-5", cost="0.60"),
        settled(now, agent="crawler", model="openai/gpt-5", cost="0.30"),
        settled(now, team="other", agent="else", cost="5"),
        settled(now - timedelta(hours=2), agent="before", cost="7"),
    )
    yesterdays("0.02", agent="before")
    mine = budget(team="care", limit_usd=1, alert_steps=[80], alert_forecast=False)
    spend(mine, "0.90", passed=0.5)
    notice()
    relay()
    (message,) = mail.accepted
    assert message["To"] == "lead@example.com"
    assert message["Auto-Submitted"] == "auto-generated"
    assert (
        message["Subject"]
        .strip()
        .startswith("[Devora] Care at 80% of $1.00 — runs out on ")
    )
    text = message.get_body(("plain",)).get_content()
    page = message.get_body(("html",)).get_content()
    for part in (text, page):
        assert "bot · openai/gpt-5" in part
        assert "$0.60 (67%)" in part
        assert "crawler" in part
        assert "else" not in part
        assert "before" not in part, "the budget was made later"
        assert f"/admin/costs/budget/{mine.pk}/change/" in part
    assert "range=mtd" in text
    assert "team=care" in text
    assert "agent=bot" in text
    assert "src=" not in page, "nothing has to be fetched"


def test_a_letter_leaves_out_what_the_demo_does():
    Team.objects.create(slug="care", name="Care", is_demo=True)
    now = timezone.now()
    record(settled(now, agent="demo-bot", cost="9"), settled(now, team="x", cost="1"))
    spend(budget(limit_usd=1, alert_steps=[80], alert_forecast=False), 1)
    (alert,) = notice()
    (driver,) = letter(alert).drivers
    assert driver.cost == "$1.00"


def test_a_letter_is_french_for_the_french():
    User.objects.create_user(
        "zoe", email="zoe@example.com", language="fr", time_zone="Europe/Paris"
    )
    spend(budget(alert_steps=[80], alert_forecast=False), 90, passed=0.9)
    (alert,) = notice()
    written = letter(alert, to="zoe@example.com")
    assert written.title.startswith("Le budget «")
    assert "80" in written.title
    assert "sont dépensés" in written.text
    assert "\u202f: http" in written.text
    assert ": http" not in written.text.replace("\u202f: http", "")
    assert 'lang="fr"' in written.html


def test_a_hostile_name_is_text_in_every_letter():
    spend(
        budget(name="<b>x</b>\nBcc: a@b.co", alert_steps=[80], alert_forecast=False),
        90,
        passed=0.9,
    )
    (alert,) = notice()
    written = letter(alert)
    assert "\n" not in written.subject
    assert "<b>" not in written.html
    assert "&lt;b&gt;" in slack_text(written)


def test_a_budget_that_was_deleted_meanwhile_is_told_of_all_the_same(mail):
    mine = budget(alert_steps=[50], alert_forecast=False)
    spend(mine, 60)
    notice()
    mine.delete()
    assert relay() == 1
    assert "Care" in mail.accepted[0]["Subject"]


def test_a_counter_of_a_calendar_month_is_found():
    mine = budget(alert_steps=[50], alert_forecast=False)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO costs_counter (budget_id, period_start, period_end, spent, held)"
            " VALUES (%s, costs_period_start('month', 'UTC', now()),"
            " costs_period_end('month', 'UTC', now()), 70, 0)",
            [mine.pk],
        )
    (alert,) = notice()
    assert alert.period_start.day == 1
