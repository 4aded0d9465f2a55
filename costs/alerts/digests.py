"""Digests: who is due for one, and the links by which they end."""

import datetime as dt
from typing import Final
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core import signing
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from costs.models import Digest, DigestEvery
from devora_ops.common import audit, outbox
from devora_ops.common.errors import NotFound
from devora_ops.common.models import User

DIGEST: Final = "digest.email"
_SALT: Final = "costs.alerts.digests"
_KEPT_FOR: Final = dt.timedelta(days=90)
_AT: Final = 8  # o'clock, where the person is
# One that could not be sent in the morning is still news in the afternoon.
_LATE: Final = dt.timedelta(hours=10)


def zone_of(user: User) -> ZoneInfo:
    """Return where a person is, as far as they said."""
    return ZoneInfo(user.time_zone or settings.TIME_ZONE)


def due_day(digest: Digest, now: dt.datetime) -> dt.date | None:
    """Return the local day on whose morning a digest is due, if that is now."""
    local = now.astimezone(zone_of(digest.user))
    morning = local.replace(hour=_AT, minute=0, second=0, microsecond=0)
    if not morning <= local < morning + _LATE or digest.since > morning:
        return None
    if digest.every == DigestEvery.WEEK and local.weekday() != 0:
        return None
    return local.date()


def leave_word() -> int:
    """Have every digest sent that is due; return how many are."""
    if not settings.EMAIL_URL:
        return 0
    now, due = timezone.now(), 0
    wanted = Digest.objects.filter(user__is_active=True).exclude(user__email="")
    for digest in wanted.select_related("user"):
        day = due_day(digest, now)
        if day is not None:
            due += 1
            outbox.put(
                DIGEST,
                {"user": digest.user_id, "every": digest.every, "day": str(day)},
                dedup_key=f"{DIGEST}:{digest.user_id}:{digest.every}:{day}",
            )
    return due


@transaction.atomic
def subscribe(user: User, every: str, *, actor: str, request_id: str = "") -> None:
    """Send a person digests so often; not at all when every is empty."""
    if every:
        Digest.objects.update_or_create(
            user=user,
            defaults={"every": DigestEvery(every), "since": timezone.now()},
        )
    else:
        Digest.objects.filter(user=user).delete()
    audit.record(
        actor=actor,
        action="digest.change",
        object_type="costs.digest",
        object_id=str(user.pk),
        after={"every": every},
        request_id=request_id,
    )


def stop_link(user: User) -> str:
    """Return the address by which a person's digests end, without signing in."""
    token = signing.dumps(user.pk, salt=_SALT)
    return f"{settings.DEVORA_URL}{reverse('dashboard:digest-stop', args=[token])}"


def stopped_by(token: str) -> User:
    """Return whose digests a link ends; raises NotFound when it is no longer valid."""
    try:
        pk = signing.loads(token, salt=_SALT, max_age=_KEPT_FOR)
    except signing.BadSignature as error:
        raise NotFound(_("This link is no longer valid.")) from error
    user = User.objects.filter(pk=pk).first()
    if user is None:
        raise NotFound(_("This link is no longer valid."))
    return user
