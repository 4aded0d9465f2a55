"""Digests: in the morning where the reader is, once, with a chart inside."""

import datetime as dt
import re
import zlib
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costs.alerts import digests
from costs.alerts.sending import HANDLERS
from costs.models import Budget, Digest
from devora_ops.common import outbox
from devora_ops.common.models import OutboxMessage, User
from devora_ops.common.png import bars
from tests.dashboard.ledger import record, settled
from tests.fakes.mail import MailServer, serving

pytestmark = pytest.mark.django_db

PARIS = ZoneInfo("Europe/Paris")
MONDAY = dt.datetime(2026, 11, 23, 8, 1, tzinfo=PARIS)
DAY = dt.timedelta(days=1)


@pytest.fixture(autouse=True)
def _reachable(settings):
    settings.EMAIL_URL = "smtp://127.0.0.1"
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_TIMEOUT = "127.0.0.1", 5


@pytest.fixture
def mail(settings):
    with serving(MailServer()) as server:
        settings.EMAIL_PORT = server.port
        yield server


@pytest.fixture
def zoe():
    return User.objects.create_user(
        "zoe", email="zoe@example.com", language="en", time_zone="Europe/Paris"
    )


@pytest.fixture
def digest(zoe):
    return Digest.objects.create(user=zoe, every="day", since=MONDAY - 30 * DAY)


def sent():
    return outbox.relay(HANDLERS, for_s=30)


@pytest.mark.parametrize(
    ("every", "now", "due"),
    [
        ("day", MONDAY - dt.timedelta(minutes=2), False),
        ("day", MONDAY, True),
        ("day", MONDAY + 9 * dt.timedelta(hours=1), True),
        ("day", MONDAY + 11 * dt.timedelta(hours=1), False),
        ("week", MONDAY, True),
        ("week", MONDAY + DAY, False),
    ],
)
def test_one_is_due_in_the_morning_where_the_reader_is(digest, every, now, due):
    digest.every = every
    assert digests.due_day(digest, now) == (now.date() if due else None)


def test_one_who_asks_at_noon_gets_the_first_the_next_morning(digest):
    digest.since = MONDAY + 4 * dt.timedelta(hours=1)
    assert digests.due_day(digest, MONDAY + 5 * dt.timedelta(hours=1)) is None
    assert digests.due_day(digest, MONDAY + DAY) is not None


def test_each_is_sent_once(digest, mail, time_machine):
    time_machine.move_to(MONDAY)
    assert [digests.leave_word() for _ in range(3)] == [1, 1, 1]
    assert sent() == 1
    assert len(mail.accepted) == 1


def test_nobody_without_an_address_is_written_to(digest, zoe, time_machine):
    time_machine.move_to(MONDAY)
    zoe.email = ""
    zoe.save()
    assert digests.leave_word() == 0


def test_it_says_what_was_spent_on_what_and_where_it_is_heading(
    digest, mail, time_machine
):
    time_machine.move_to(MONDAY)
    midnight = MONDAY.replace(hour=0, minute=0)
    for n in range(1, 12):
        cost = "30" if n == 1 else "20"
        record(settled(midnight - n * DAY + 9 * DAY / 24, agent="bot", cost=cost))
    record(settled(MONDAY, agent="later", cost="700"))
    budget = Budget.objects.create(name="Care", limit_usd=100, period="total")
    budget.counters.create(
        period_start=dt.datetime(1970, 1, 1, tzinfo=dt.UTC), spent=90
    )
    digests.leave_word()
    sent()
    (message,) = mail.accepted
    assert message["Subject"].strip() == "[Devora] $30.00 spent on November 22"
    text = message.get_body(("plain",)).get_content()
    assert "The day before: $20.00 (+50%)" in text
    assert "1 call, 100.0% of them answered" in text
    assert "The month is likely to end at $" in text
    assert "bot" in text
    assert "later" not in text
    assert re.search(r"Care: \$90.00 of \$100.00 \(90%\)", text)


def test_its_chart_is_a_picture_in_the_mail(digest, mail, time_machine):
    time_machine.move_to(MONDAY)
    record(settled(MONDAY - DAY, cost="3"))
    digests.leave_word()
    sent()
    (message,) = mail.accepted
    assert message.get_content_type() == "multipart/related"
    page = message.get_body(("html",)).get_content()
    (named,) = re.findall(r'src="([^"]+)"', page)
    (picture,) = [p for p in message.walk() if p.get_content_type() == "image/png"]
    assert named == f"cid:{picture['Content-ID'].strip('<>')}"
    assert picture.get_content().startswith(b"\x89PNG")


def test_it_is_french_for_the_french(digest, mail, zoe, time_machine):
    time_machine.move_to(MONDAY)
    zoe.language = "fr"
    zoe.save()
    digests.leave_word()
    sent()
    assert "dépensés" in str(mail.accepted[0]["Subject"])


def test_its_link_ends_them_and_opening_it_does_not(digest, mail, client, time_machine):
    time_machine.move_to(MONDAY)
    digests.leave_word()
    sent()
    (message,) = mail.accepted
    path = re.search(r"/digest/stop/[^>/]+/", message["List-Unsubscribe"])[0]
    assert client.get(path).status_code == 200
    assert Digest.objects.exists()
    assert client.post(path, {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert not Digest.objects.exists()
    assert client.post("/digest/stop/x/").status_code == 404


def test_a_person_chooses_how_often(zoe, client):
    zoe.is_staff = True
    zoe.save()
    client.force_login(zoe)
    page = client.get("/digest/").text
    assert "zoe@example.com" in page
    assert "Europe/Paris" in page
    client.post("/digest/", {"every": "week"})
    assert Digest.objects.get().every == "week"
    assert client.post("/digest/", {"every": "hour"}).status_code == 200
    client.post("/digest/", {"every": ""})
    assert not Digest.objects.exists()
    assert not OutboxMessage.objects.exists()


@given(st.lists(st.floats(0, 1e9), max_size=40), st.integers(1, 300))
def test_a_picture_has_as_many_rows_as_it_is_high(heights, high):
    picture = bars(heights, lit=range(1), width=60, height=high + 2)
    place = picture.index(b"IDAT")
    length = int.from_bytes(picture[place - 4 : place], "big")
    rows = zlib.decompress(picture[place + 4 : place + 4 + length])
    assert len(rows) == (high + 2) * 61
    assert set(rows) <= {0, 1, 2, 3}
