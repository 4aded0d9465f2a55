"""The admin's list of what budgets crossed, and of whom was told."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.db.models import Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html_join
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from costs.alerts.crossings import CHANNELS, key_of
from costs.models import Alert, AlertKind
from devora_ops.common import formats
from devora_ops.common.columns import column
from devora_ops.common.forms import SafeModelAdmin
from devora_ops.common.models import OutboxMessage
from devora_ops.common.paging import ReadOnly

_KIND = column(Alert, "kind", lambda kind: AlertKind(kind).label)
_LIMIT = column(Alert, "limit_usd", formats.money)
_SPENT = column(Alert, "spent_usd", formats.money)
_PROJECTED = column(Alert, "projected_usd", formats.money)
_USUAL = column(Alert, "usual_usd", formats.money)


class AlertAdmin(ReadOnly, SafeModelAdmin):
    """Alerts, newest first."""

    empty_text = _("No budget has crossed a step, and no hour was unusual.")
    list_display = ("crossed_at", "about", "what", "step_text", _SPENT, _LIMIT)
    list_filter = (("kind", ChoicesDropdownFilter),)
    search_fields = ("name",)
    sortable_by = ()
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("budget", "crossed_at"),
                    (_KIND, "step_text"),
                    (_SPENT, _LIMIT),
                    (_PROJECTED, _USUAL),
                    "period",
                    "told",
                )
            },
        ),
    )

    @admin.display(description=_("about"))
    def about(self, alert: Alert) -> str:
        """Return the budget, or the agent of an unusual hour."""
        if alert.kind == AlertKind.ANOMALY:
            return alert.agent or _t("All agents together")
        return alert.name

    @display(  # type: ignore[untyped-decorator]
        description=_("kind"),
        label={
            AlertKind.ACTUAL: "warning",
            AlertKind.FORECAST: "info",
            AlertKind.ANOMALY: "danger",
        },
    )
    def what(self, alert: Alert) -> tuple[str, str]:
        """Return what was crossed, as a label."""
        return alert.kind, str(alert.get_kind_display())

    @admin.display(description=_("step"))
    def step_text(self, alert: Alert) -> str:
        """Return the crossed part of the limit."""
        return formats.percent(alert.step / 100, places=0)

    @admin.display(description=_("period"))
    def period(self, alert: Alert) -> str:
        """Return the period in the budget's own zone, where it begins at midnight."""
        zone = ZoneInfo(alert.budget.time_zone) if alert.budget else dt.UTC
        ends = (alert.period_start, alert.period_end)
        days = [timezone.localtime(end, zone) for end in ends if end]
        return " – ".join(date_format(day, "SHORT_DATETIME_FORMAT") for day in days)

    @admin.display(description=_("told"))
    def told(self, alert: Alert) -> Any:
        """Return who was told, and who was not and why."""
        mine = Q()
        teller = alert.told_with or alert
        for kind in CHANNELS:
            mine |= Q(dedup_key__startswith=key_of(kind, teller.pk, ""))
        messages = OutboxMessage.objects.filter(mine).order_by("id")
        rows = [
            (_t("%(label)s:") % {"label": _whom(each)}, _state(each))
            for each in messages
        ]
        if not rows:
            return _(
                "Nobody: it is muted or the demo's, or neither mail nor Slack is set up."
            )
        if alert.told_with is not None:
            rows.insert(
                0,
                (_t("With the step that was crossed at once:"), self.step_text(teller)),
            )
        return format_html_join("", "<div>{} {}</div>", rows)


def _whom(message: OutboxMessage) -> str:
    return message.payload.get("to") or "Slack"


def _state(message: OutboxMessage) -> str:
    if message.done_at is not None:
        at = date_format(timezone.localtime(message.done_at), "SHORT_DATETIME_FORMAT")
        return _t("sent on %(moment)s") % {"moment": at}
    values = {"error": message.last_error, "tries": message.attempts}
    if message.given_up_at is not None:
        return _t("given up after %(tries)s tries: %(error)s") % values
    if message.last_error:
        return _t("tried %(tries)s times: %(error)s") % values
    return _t("on its way")
