"""Four processes look for crossed steps and send alerts; one is killed in the middle."""

import contextlib
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator

import psutil
import pytest

from tests.fakes.mail import MailServer, Slack, serving
from tests.installation_under_test import ROOT, Installation
from tests.provisioning import wait_until

_SENDER = """
import time, django
django.setup()
from costs.alerts.crossings import notice
from costs.alerts.sending import HANDLERS
from devora_ops.common import outbox
while True:
    notice()
    outbox.relay(HANDLERS, for_s=5)
    time.sleep(0.2)
"""
_SPEND = """
INSERT INTO costs_counter (budget_id, period_start, period_end, spent, held)
SELECT id, costs_period_start(period, time_zone, now()),
       costs_period_end(period, time_zone, now()), %s, 0
FROM costs_budget WHERE name LIKE %s
RETURNING budget_id
"""
_UNTOLD = """
SELECT count(*) FROM costs_alert
WHERE name LIKE %s AND (told_with_id IS NULL) <> (step = 100)
"""


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with serving(MailServer()) as server:
        yield server


@pytest.fixture
def slack() -> Iterator[Slack]:
    with serving(Slack()) as server:
        yield server


@pytest.fixture
def budgets(installation: Installation) -> Iterator[None]:
    """Make fifteen, which nobody ever asks for anything."""
    with installation.orm():
        from costs.models import Budget

        for number in range(15):
            Budget.objects.create(
                name=f"senders {number}",
                limit_usd=100,
                team=f"senders-{number}",
                alert_steps=[50, 80, 100],
                alert_forecast=False,
                alert_emails=["lead@example.com"],
            )
    yield
    with installation.orm():  # what they have spent is in no attempt
        Budget.objects.filter(name__startswith="senders ").delete()


@pytest.fixture
def senders(
    installation: Installation, budgets: None, mail: MailServer, slack: Slack
) -> Iterator[list[subprocess.Popen[bytes]]]:
    environ = {
        **os.environ,
        **installation.environment(),
        "EMAIL_URL": f"smtp://127.0.0.1:{mail.port}",
        "SLACK_WEBHOOK_URL": slack.url,
    }
    with contextlib.ExitStack() as running:
        processes = []
        for _ in range(4):
            process = subprocess.Popen(
                [sys.executable, "-c", _SENDER], cwd=ROOT, env=environ
            )
            running.callback(process.wait)
            running.callback(process.kill)
            processes.append(process)
        yield processes


def test_each_jump_is_told_once_whoever_sends_and_whatever_fails(
    installation: Installation,
    mail: MailServer,
    slack: Slack,
    senders: list[subprocess.Popen[bytes]],
):
    mail.failures = ["greeting", "stall", "mail", "rcpt", "data", "end"]
    slack.answers = [(500, {}), (429, {"Retry-After": "1"}), (503, {})]
    installation.rows(_SPEND, 100, "senders %")
    _kill_who_waits_for_a_receipt(mail, senders)
    assert mail.stalled_id is not None
    wait_until(  # for its lease to run out, too
        lambda: len(mail.accepted) == 16 and len(_told(slack)) == 15, within_s=60
    )
    time.sleep(1)  # for one too many
    assert len(set(_told(slack))) == len(_told(slack)) == 15
    twice = [each for each, times in _ids(mail).items() if times > 1]
    assert twice == [mail.stalled_id]
    assert len(_ids(mail)) == 15
    assert all("Also crossed: 50%, 80%." in text for text in _told(slack))
    assert installation.rows(_UNTOLD, "senders %") == [{"count": 0}]


def _ids(mail: MailServer) -> Counter[str]:
    return Counter(str(each["Message-ID"]) for each in mail.accepted)


def _told(slack: Slack) -> list[str]:
    """Return what was told of this test's budgets; others' may be there too."""
    return [each["text"] for each in slack.accepted if "senders" in each["text"]]


def _kill_who_waits_for_a_receipt(
    mail: MailServer, senders: list[subprocess.Popen[bytes]]
) -> None:
    wait_until(lambda: mail.stalled is not None, within_s=60)
    for sender in senders:
        for connection in psutil.Process(sender.pid).net_connections():
            if connection.laddr and connection.laddr.port == mail.stalled:
                sender.kill()
                sender.wait()
                return
    raise AssertionError("nobody waits")
