"""Handing alerts and digests over, by email and to Slack; the outbox tries again what failed."""

import datetime as dt
import smtplib
from email.mime.image import MIMEImage
from typing import Final
from urllib.parse import urlsplit

import httpx
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.utils.translation import gettext as _

from costs.alerts.crossings import EMAIL, SLACK
from costs.alerts.digest_letters import digest_letter
from costs.alerts.digests import DIGEST
from costs.alerts.letters import Driver, Letter, letter
from costs.models import Alert
from devora_ops.common.models import User
from devora_ops.common.outbox import Handler, Message, TryLater, Undeliverable

_SLACK_TIMEOUT_S = 10.0
_LONGEST_WAIT_S = 3600.0
# The webhook is revoked, its channel gone, or the workspace: another try helps nobody.
_GONE = (403, 404, 410)


def send_email(message: Message) -> None:
    """Send an alert to one address."""
    to = message.payload["to"]
    written = letter(_alert(message), to=to)
    mail = _mail(message, to, written.subject, written.text)
    mail.attach_alternative(written.html, "text/html")
    _send(mail)


def send_digest(message: Message) -> None:
    """Send a person the digest of a day, its chart inside."""
    told = message.payload
    user = (
        User.objects.filter(pk=told["user"], is_active=True).exclude(email="").first()
    )
    if user is None:
        raise Undeliverable("the person is gone, or has no address")
    chart = f"chart-{message.id}"
    day = dt.date.fromisoformat(told["day"])
    written, text, html = digest_letter(user, told["every"], day, chart_id=chart)
    mail = _mail(message, user.email, written.subject, text)
    mail.extra_headers |= {
        "List-Unsubscribe": f"<{written.stop_url}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    mail.mixed_subtype = "related"  # type: ignore[attr-defined]  # stubs lack it
    mail.attach_alternative(html, "text/html")
    picture = MIMEImage(written.chart)
    picture.add_header("Content-ID", f"<{chart}>")
    picture.add_header("Content-Disposition", "inline", filename="spend.png")
    mail.attach(picture)
    _send(mail)


def _mail(message: Message, to: str, subject: str, text: str) -> EmailMultiAlternatives:
    """Begin a mail that has the same Message-ID in every try."""
    host = urlsplit(settings.DEVORA_URL).hostname
    return EmailMultiAlternatives(
        subject,
        text,
        settings.DEFAULT_FROM_EMAIL,
        [to],
        headers={
            "Message-ID": f"<{message.id}@{host}>",
            "Auto-Submitted": "auto-generated",
        },
    )


def _send(mail: EmailMultiAlternatives) -> None:
    try:
        mail.send()
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        if all(code >= 500 for code in codes):
            raise Undeliverable(f"the address is refused ({codes[0]})") from error
        raise TryLater(f"the address is not taken now ({codes[0]})") from error
    except smtplib.SMTPResponseException as error:
        raise TryLater(f"the mail server says {error.smtp_code}") from error
    except (smtplib.SMTPException, OSError) as error:
        raise TryLater(f"the mail server: {error}") from error


def send_to_slack(message: Message) -> None:
    """Post an alert to the webhook's channel."""
    body = {"text": slack_text(letter(_alert(message)))}
    try:
        answer = httpx.post(
            settings.SLACK_WEBHOOK_URL, json=body, timeout=_SLACK_TIMEOUT_S
        )
    except httpx.HTTPError as error:
        # Its own words may hold the webhook's address, which is a secret.
        raise TryLater(f"Slack does not answer: {type(error).__name__}") from None
    if answer.status_code in _GONE:
        raise Undeliverable(f"Slack says {answer.status_code}")
    if answer.status_code != httpx.codes.OK:
        raise TryLater(
            f"Slack says {answer.status_code}", retry_after_s=_retry_after_s(answer)
        )


def slack_text(written: Letter) -> str:
    """Return a letter in Slack's markup."""
    lines = [f"*{_escaped(written.title)}*", *map(_escaped, written.lines)]
    lines += [
        f"• {_before_colon(driver)} {driver.cost} ({driver.share})"
        for driver in written.drivers
    ]
    links = {_("See what was spent"): written.overview_url, _("Mute"): written.mute_url}
    lines.append(
        " · ".join(f"<{url}|{_escaped(text)}>" for text, url in links.items() if url)
    )
    return "\n".join(lines)


def _before_colon(driver: Driver) -> str:
    return _("%(label)s:") % {"label": f"<{driver.url}|{_escaped(driver.name)}>"}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _retry_after_s(answer: httpx.Response) -> float:
    told = answer.headers.get("Retry-After", "")
    return min(float(told), _LONGEST_WAIT_S) if told.isdigit() else 0.0


def _alert(message: Message) -> Alert:
    alert = Alert.objects.select_related("budget").filter(pk=message.payload["alert"])
    found = alert.first()
    if found is None:
        raise Undeliverable("the alert is gone")
    return found


HANDLERS: Final[dict[str, Handler]] = {
    EMAIL: send_email,
    SLACK: send_to_slack,
    DIGEST: send_digest,
}
