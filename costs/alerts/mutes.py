"""Links that quieten alerts: whoever was sent one may use it without signing in.

A link says what it is about and whom it was sent to, and is signed. Opening it changes
nothing, for mail servers open links too.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.core import signing
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from costs.models import Alert, AlertMute, Budget
from costs.services import change_budget
from devora_ops.common import audit
from devora_ops.common.errors import NotFound

_SALT: Final = "costs.alerts.mutes"
_KEPT_FOR: Final = dt.timedelta(days=40)
DAYS: Final = (1, 7, 30)


@dataclass(frozen=True, slots=True)
class Mute:
    """What a link is about: a budget, or unusual hours of an agent (or of all)."""

    to: str
    budget: Budget | None
    agent: str

    @property
    def subject(self) -> str:
        """What nobody will be told of, in words."""
        if self.budget is not None:
            return _("Alerts of the budget “%(name)s”") % {"name": self.budget.name}
        if self.agent:
            return _("Unusual spend of %(agent)s") % {"agent": self.agent}
        return _("Unusual spend of all agents together")


def link(alert: Alert, *, to: str) -> str:
    """Return the address that mutes what an alert is about; to: whom it is sent to."""
    about = {"budget": alert.budget_id, "agent": alert.agent, "to": to}
    token = signing.dumps(about, salt=_SALT, compress=True)
    return f"{settings.DEVORA_URL}{reverse('dashboard:mute', args=[token])}"


def opened(token: str) -> Mute:
    """Return what a link is about; raises NotFound when it is too old, or was never ours."""
    try:
        about = signing.loads(token, salt=_SALT, max_age=_KEPT_FOR)
    except signing.BadSignature as error:
        raise NotFound(_("This link is no longer valid.")) from error
    pk = about["budget"]
    budget = None if pk is None else Budget.objects.filter(pk=pk).first()
    if pk is not None and budget is None:
        raise NotFound(_("This budget is gone, and its alerts with it."))
    return Mute(about["to"], budget, about["agent"])


@transaction.atomic
def mute(what: Mute, *, days: int, request_id: str = "") -> dt.datetime:
    """Have nobody told for so many days; 0 ends it. Return until when."""
    until = timezone.now() + dt.timedelta(days=days)
    actor = f"link sent to {what.to or 'Slack'}"
    if what.budget is not None:
        change_budget(
            what.budget, actor=actor, request_id=request_id, snoozed_until=until
        )
        return until
    AlertMute.objects.update_or_create(agent=what.agent, defaults={"until": until})
    audit.record(
        actor=actor,
        action="alert.mute",
        object_type="costs.alertmute",
        object_id=what.agent or "*",
        after={"until": until.isoformat()},
        request_id=request_id,
    )
    return until
