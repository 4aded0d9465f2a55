"""Calls and attempts in the admin: to look at, a page and a list of each."""

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any, Final

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import (
    ChoicesDropdownFilter,
    DropdownFilter,
    FieldTextFilter,
)
from unfold.decorators import display

from costs import selectors
from costs.models import BILL_PART, Anomaly, Attempt, BillPart, Call, CallStatus
from devora_ops.common import formats
from devora_ops.common.columns import column, yes_or_no
from devora_ops.common.forms import SafeModelAdmin
from devora_ops.common.ids import first_uuid7_at, uuid7_time
from devora_ops.common.paging import InfinitePaginator, ReadOnly

_STATUS_LOOKS: Final = {
    CallStatus.OK: "success",
    CallStatus.CACHED: "info",
    CallStatus.RATE_LIMITED: "warning",
    CallStatus.BLOCKED: "warning",
    CallStatus.TIMEOUT: "danger",
    CallStatus.ERROR: "danger",
}
_ANY: Final = "any"
_SPANS: Final = {
    "1h": (dt.timedelta(hours=1), _("Last hour")),
    "24h": (dt.timedelta(hours=24), _("Last 24 hours")),
    "7d": (dt.timedelta(days=7), _("Last 7 days")),
    "30d": (dt.timedelta(days=30), _("Last 30 days")),
    "90d": (dt.timedelta(days=90), _("Last 90 days")),
}
_USUAL_SPAN: Final = "30d"


class SinceFilter(admin.SimpleListFilter):
    """A span that ends now, as a range of ids; without it a rare status reads all.

    An address may name any other time: two moments with a slash between, as ISO 8601
    writes an interval.
    """

    title = _("time")
    parameter_name = "since"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[Any]:
        """Offer the spans of the dashboard."""
        return [(name, label) for name, (_span, label) in _SPANS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Leave out what is older, or outside of a time that the address names."""
        if interval := _interval(self.value()):
            return selectors.during(queryset, *interval)
        span, _label = _SPANS.get(self.value() or "", _SPANS[_USUAL_SPAN])
        return queryset.filter(id__gte=first_uuid7_at(timezone.now() - span))

    def choices(self, changelist: ChangeList) -> Any:
        """Show the usual span as chosen when the address names none."""
        chosen = self.value() or _USUAL_SPAN
        if interval := _interval(chosen):
            yield {
                "selected": True,
                "query_string": changelist.get_query_string({}),
                "display": " – ".join(map(_moment, interval)),
            }
        for name, label in self.lookup_choices:
            yield {
                "selected": chosen == name,
                "query_string": changelist.get_query_string(
                    {self.parameter_name: name}
                ),
                "display": label,
            }


def _interval(text: str | None) -> tuple[dt.datetime, dt.datetime] | None:
    """Read two moments in order; None where there are none that an id can carry."""
    try:
        start, end = map(dt.datetime.fromisoformat, (text or "").split("/"))
    except ValueError:
        return None
    if start.tzinfo is None or end.tzinfo is None:
        return None
    return (start, end) if 2000 <= start.year <= end.year < 2200 else None


class AnomalyFilter(DropdownFilter):  # type: ignore[misc]
    """What does not add up: one kind, or any at all."""

    title = _("anomaly")
    parameter_name = "anomaly"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[Any]:
        """Offer every kind."""
        return [(_ANY, _("Any")), *Anomaly.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Leave out what adds up, or has another kind."""
        kind = self.value()
        if kind == _ANY:
            return queryset.exclude(anomaly="")
        return queryset.filter(anomaly=kind) if kind in Anomaly else queryset


class PartFilter(DropdownFilter):  # type: ignore[misc]
    """Which part of a bill, as its explanation splits it."""

    title = _("part of the bill")
    parameter_name = "part"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[Any]:
        """Offer every part."""
        return list(BillPart.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Leave out the other parts."""
        part = self.value()
        if part not in BillPart:
            return queryset
        parts: QuerySet[Any] = queryset.annotate(part=BILL_PART)
        return parts.filter(part=part)


class FailureFilter(DropdownFilter):  # type: ignore[misc]
    """Tries that came to nothing."""

    title = _("failure")
    parameter_name = "failed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[Any]:
        """Offer the failed ones and the others."""
        return [("yes", _("Failed")), ("no", _("Answered"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Leave out the others."""
        match self.value():
            case "yes":
                return queryset.exclude(error_code="")
            case "no":
                return queryset.filter(error_code="")
        return queryset


def _moment(moment: dt.datetime) -> str:
    """Return a date and a time with its seconds: calls come close together."""
    local = timezone.localtime(moment)
    return f"{date_format(local, 'SHORT_DATE_FORMAT')} {local:%H:%M:%S}"


def _exact(amount: Decimal | None) -> str:
    return str(_("unknown")) if amount is None else formats.exact_money(amount)


_COST = column(Call, "cost_usd", _exact)
_SAVED = column(Call, "saved_usd", formats.exact_money)
_STREAMED = column(Call, "stream", yes_or_no)
_ESTIMATED = column(Call, "estimated", yes_or_no)
_FIRST_TOKEN = column(Call, "ttft_ms", formats.latency)
_ENDED = column(Call, "finished_at", _moment)
_INPUT = column(Call, "input_tokens", formats.count)
_CACHED = column(Call, "cached_tokens", formats.count)
_OUTPUT = column(Call, "output_tokens", formats.count)
_BOOK = column(
    Attempt, "book_usd", lambda usd: "–" if usd is None else formats.exact_money(usd)
)
_READ = column(Attempt, "cache_read_tokens", formats.count)
_WRITTEN = column(Attempt, "cache_write_tokens", formats.count)
_REASONED = column(Attempt, "reasoning_tokens", formats.count)
_SETTLED = column(Attempt, "settled_at", _moment)


class FactAdmin(ReadOnly, SafeModelAdmin):
    """What calls and attempts share: a table too large to count, and never changed."""

    paginator = InfinitePaginator
    list_max_show_all = 0
    list_per_page = 50
    list_fullwidth = True
    sortable_by = ()
    ordering = ("-id",)
    show_facets = admin.ShowFacets.NEVER

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find by id only: no other column has an index for it."""
        if not search_term:
            return queryset, False
        try:
            return queryset.filter(self._with_id(uuid.UUID(search_term))), False
        except ValueError:
            return queryset.none(), False

    def _with_id(self, value: uuid.UUID) -> Q:
        return Q(id=value)

    @display(  # type: ignore[untyped-decorator]
        description=_("anomaly"), label=dict.fromkeys(Anomaly, "warning")
    )
    def odd(self, fact: Call | Attempt) -> tuple[str, str] | None:
        """Return what does not add up, as a label."""
        if not fact.anomaly:
            return None
        return fact.anomaly, str(fact.get_anomaly_display())

    @admin.display(description=_("time"))
    def began(self, fact: Call | Attempt) -> str:
        """Return when it began: its id knows."""
        return _moment(uuid7_time(fact.id))

    @admin.display(description=_("latency"))
    def took(self, fact: Call | Attempt) -> str:
        """Return how long it took."""
        return formats.latency(fact.latency_ms)

    @admin.display(description=_("tokens"))
    def tokens(self, fact: Call | Attempt) -> str:
        """Return tokens in and out."""
        sides = (fact.input_tokens, fact.output_tokens)
        return " → ".join(map(formats.count, sides))

    @admin.display(description=_("cost"))
    def cost(self, fact: Call | Attempt) -> str:
        """Return the cost; its page has every digit."""
        if fact.cost_usd is None:
            return str(_("unknown"))
        return formats.money(fact.cost_usd)


class CallAdmin(FactAdmin):
    """Calls, newest first."""

    empty_text = _("There is no call yet.")
    list_display = (
        "began",
        "outcome",
        "model",
        "agent",
        "prompt",
        "tokens",
        "took",
        "cost",
        "cache",
        "odd",
    )
    list_filter = (
        SinceFilter,
        ("status", ChoicesDropdownFilter),
        AnomalyFilter,
        ("agent", FieldTextFilter),
        ("model", FieldTextFilter),
    )
    list_filter_submit = True
    search_fields = ("id",)
    search_help_text = _("A call's id")
    change_form_after_template = "admin/costs/attempts.html"
    fieldsets = (
        (
            _("What"),
            {
                "fields": (
                    ("status", "http_status", "error_code"),
                    "anomaly",
                    ("requested", "model"),
                    ("prompt", "prompt_version"),
                    ("experiment", "variant"),
                    (_STREAMED, "cache"),
                )
            },
        ),
        (_("Who"), {"fields": (("team", "agent"), ("key", "end_user"))}),
        (
            _("Money and time"),
            {
                "fields": (
                    (_COST, _SAVED, _ESTIMATED),
                    (_INPUT, _CACHED, _OUTPUT),
                    ("took", _FIRST_TOKEN, "attempts"),
                    (_ENDED, "request_id"),
                )
            },
        ),
    )

    @display(description=_("status"), label=_STATUS_LOOKS)  # type: ignore[untyped-decorator]
    def outcome(self, call: Call) -> tuple[str, str]:
        """Return the status as a label."""
        return call.status, str(call.get_status_display())

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Show a call with its attempts."""
        call = self.get_object(request, object_id)
        tried = selectors.attempts_of(call) if isinstance(call, Call) else ()
        context = {**(extra_context or {}), "tried": tried}
        return super().change_view(request, object_id, form_url, context)


class AttemptAdmin(FactAdmin):
    """Upstream tries, newest first."""

    empty_text = _("No model was asked yet.")
    list_display = (
        "began",
        "state",
        "number",
        "model",
        "agent",
        "http_status",
        "tokens",
        "took",
        "cost",
        "odd",
    )
    list_filter = (
        SinceFilter,
        ("state", ChoicesDropdownFilter),
        FailureFilter,
        PartFilter,
        AnomalyFilter,
        ("model", FieldTextFilter),
    )
    list_filter_submit = True
    search_fields = ("id",)
    search_help_text = _("An attempt's or its call's id")
    fieldsets = (
        (
            _("What"),
            {
                "fields": (
                    ("call_id", "number"),
                    ("state", "http_status", "error_code"),
                    "anomaly",
                    ("provider", "model"),
                    ("prompt", "prompt_version"),
                    ("experiment", "variant"),
                )
            },
        ),
        (_("Who"), {"fields": (("team", "agent"), ("key", "end_user"))}),
        (
            _("Money and time"),
            {
                "fields": (
                    (_COST, _BOOK, _ESTIMATED),
                    (_INPUT, _OUTPUT, _REASONED),
                    (_READ, _WRITTEN),
                    ("took", _FIRST_TOKEN),
                    (_SETTLED, "price_id"),
                    "raw_usage",
                )
            },
        ),
    )

    def _with_id(self, value: uuid.UUID) -> Q:
        return Q(id=value) | Q(call_id=value)
