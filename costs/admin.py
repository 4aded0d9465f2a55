"""Calls, budgets and the price book in the admin; rules are in the services."""

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any, Final

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Now
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, FieldTextFilter
from unfold.decorators import display

from costs import selectors
from costs.forms import BudgetForm, PriceForm
from costs.models import Attempt, Budget, Call, CallStatus, Counter, Price
from costs.services import change_budget, create_budget, delete_budget
from devora_ops.common import audit
from devora_ops.common.forms import SafeModelAdmin
from devora_ops.common.ids import first_uuid7_at, uuid7_time
from devora_ops.common.paging import InfinitePaginator, ReadOnly
from devora_ops.common.rest.middleware import request_id

_STATUS_LOOKS: Final = {
    CallStatus.OK: "success",
    CallStatus.CACHED: "info",
    CallStatus.RATE_LIMITED: "warning",
    CallStatus.BLOCKED: "warning",
    CallStatus.TIMEOUT: "danger",
    CallStatus.ERROR: "danger",
}
_SPANS: Final = {
    "1h": (dt.timedelta(hours=1), _("Last hour")),
    "24h": (dt.timedelta(hours=24), _("Last 24 hours")),
    "7d": (dt.timedelta(days=7), _("Last 7 days")),
    "30d": (dt.timedelta(days=30), _("Last 30 days")),
    "90d": (dt.timedelta(days=90), _("Last 90 days")),
}
_USUAL_SPAN: Final = "30d"


class SinceFilter(admin.SimpleListFilter):
    """A span that ends now, as a range of ids; without it a rare status reads all."""

    title = _("time")
    parameter_name = "since"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[Any]:
        """Offer the spans of the dashboard."""
        return [(name, label) for name, (_span, label) in _SPANS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Leave out what is older."""
        span, _label = _SPANS.get(self.value() or "", _SPANS[_USUAL_SPAN])
        return queryset.filter(id__gte=first_uuid7_at(timezone.now() - span))

    def choices(self, changelist: ChangeList) -> Any:
        """Show the usual span as chosen when the address names none."""
        chosen = self.value() or _USUAL_SPAN
        for name, label in self.lookup_choices:
            yield {
                "selected": chosen == name,
                "query_string": changelist.get_query_string(
                    {self.parameter_name: name}
                ),
                "display": label,
            }


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

    @admin.display(description=_("time"))
    def began(self, fact: Call | Attempt) -> dt.datetime:
        """Return when it began: its id knows."""
        return timezone.localtime(uuid7_time(fact.id))

    @admin.display(description=_("latency"))
    def took(self, fact: Call | Attempt) -> str:
        """Return how long it took."""
        return f"{fact.latency_ms:,.0f} ms"

    @admin.display(description=_("tokens"))
    def tokens(self, fact: Call | Attempt) -> str:
        """Return tokens in and out."""
        return f"{fact.input_tokens:,} → {fact.output_tokens:,}"

    @admin.display(description=_("cost"))
    def cost(self, fact: Call | Attempt) -> str:
        """Return the cost, to the last digit that counts."""
        return _dollars(fact.cost_usd)


@admin.register(Call)
class CallAdmin(FactAdmin):
    """Calls, newest first."""

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
    )
    list_filter = (
        SinceFilter,
        ("status", ChoicesDropdownFilter),
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
                    ("requested", "model"),
                    ("prompt", "prompt_version"),
                    ("experiment", "variant"),
                    ("stream", "cache"),
                )
            },
        ),
        (_("Who"), {"fields": (("team", "agent"), ("key", "end_user"))}),
        (
            _("Money and time"),
            {
                "fields": (
                    ("cost_usd", "saved_usd", "estimated"),
                    ("input_tokens", "cached_tokens", "output_tokens"),
                    ("latency_ms", "ttft_ms", "attempts"),
                    ("finished_at", "request_id"),
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


@admin.register(Attempt)
class AttemptAdmin(FactAdmin):
    """Upstream tries, newest first."""

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
    )
    list_filter = (SinceFilter, ("state", ChoicesDropdownFilter))
    list_filter_submit = True
    search_fields = ("id",)
    search_help_text = _("An attempt's or its call's id")

    def _with_id(self, value: uuid.UUID) -> Q:
        return Q(id=value) | Q(call_id=value)


@admin.register(Budget)
class BudgetAdmin(SafeModelAdmin):
    """Budgets with what they have spent; every write goes through the services."""

    form = BudgetForm
    list_display = ("name", "scope", "period", "limit", "used", "is_hard")
    list_filter = (("period", ChoicesDropdownFilter), "hard")
    search_fields = ("name", "agent", "team", "model")
    fieldsets = (
        (None, {"fields": ("name", ("limit_usd", "period"), ("time_zone", "hard"))}),
        (
            _("Scope"),
            {
                "description": _("What is empty matches everything."),
                "fields": (
                    ("team", "agent"),
                    ("end_user", "model"),
                    ("prompt", "experiment"),
                ),
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Budget]:
        """Return budgets with what their running period has spent and set aside."""
        running = Counter.objects.filter(
            Q(period_end=None) | Q(period_end__gt=Now()),
            budget=OuterRef("pk"),
            period_start__lte=Now(),
        ).order_by("-period_start")
        zero = Value(Decimal(0))
        budgets: QuerySet[Budget] = super().get_queryset(request)
        return budgets.annotate(
            spent=Coalesce(Subquery(running.values("spent")[:1]), zero),
            held=Coalesce(Subquery(running.values("held")[:1]), zero),
        )

    @admin.display(description=_("scope"))
    def scope(self, budget: Budget) -> str:
        """Return what the budget covers."""
        names = ("team", "agent", "end_user", "model", "prompt", "experiment")
        parts = [f"{name}={getattr(budget, name)}" for name in names]
        return ", ".join(part for part in parts if not part.endswith("=")) or "*"

    @admin.display(description=_("limit"), ordering="limit_usd")
    def limit(self, budget: Budget) -> str:
        """Return the limit."""
        return _dollars(budget.limit_usd)

    @admin.display(description=_("spent"))
    def used(self, budget: Any) -> SafeString:
        """Return what is spent, and what is set aside for calls under way."""
        share = (
            (budget.spent + budget.held) / budget.limit_usd if budget.limit_usd else 1
        )
        return format_html("{} ({}%)", _dollars(budget.spent), f"{share * 100:.0f}")

    @display(description=_("hard"), boolean=True, ordering="hard")  # type: ignore[untyped-decorator]
    def is_hard(self, budget: Budget) -> bool:
        """Say whether calls are refused at the limit."""
        return budget.hard

    def save_model(
        self, request: HttpRequest, obj: Budget, form: BudgetForm, change: bool
    ) -> None:
        """Make or change it by the service, which also writes the audit."""
        who = {
            "actor": request.user.get_username(),
            "request_id": request_id(request),
        }
        if change:
            stored = Budget.objects.get(pk=obj.pk)
            changes = {name: form.cleaned_data[name] for name in form.changed_data}
            change_budget(stored, **who, **changes)
        else:
            obj.pk = create_budget(**who, **form.cleaned_data).pk

    def delete_model(self, request: HttpRequest, obj: Budget) -> None:
        """Remove it by the service."""
        delete_budget(
            obj, actor=request.user.get_username(), request_id=request_id(request)
        )

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Budget]) -> None:
        """Remove each by the service."""
        for budget in queryset:
            self.delete_model(request, budget)


@admin.register(Price)
class PriceAdmin(SafeModelAdmin):
    """The price book: a price is never edited, a newer one takes its place."""

    form = PriceForm
    actions = None
    list_display = ("model", "valid_from", "input_rate", "output_rate", "source")
    search_fields = ("model",)
    date_hierarchy = "valid_from"
    fieldsets = (
        (None, {"fields": (("model", "valid_from"), "source")}),
        (
            _("USD per million tokens"),
            {
                "fields": (
                    ("input", "output"),
                    ("cache_read", "cache_write_5m", "cache_write_1h"),
                    ("input_audio", "output_audio"),
                )
            },
        ),
        (_("USD each"), {"fields": (("web_search", "per_request"),)}),
        (_("Tiers"), {"classes": ("collapse",), "fields": ("schedule",)}),
    )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What calls were billed with must stay true."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What calls were billed with must stay."""
        return False

    @admin.display(description=_("input, $/M"))
    def input_rate(self, price: Price) -> str:
        """Return the rate of a million tokens in."""
        return _dollars_a_million(price.input)

    @admin.display(description=_("output, $/M"))
    def output_rate(self, price: Price) -> str:
        """Return the rate of a million tokens out."""
        return _dollars_a_million(price.output)

    def save_model(
        self, request: HttpRequest, obj: Price, form: PriceForm, change: bool
    ) -> None:
        """Add the price and say so in the audit."""
        super().save_model(request, obj, form, change)
        audit.record(
            actor=request.user.get_username(),
            action="price.create",
            object_type="costs.price",
            object_id=str(obj.pk),
            after={"model": obj.model, "valid_from": obj.valid_from.isoformat()},
            request_id=request_id(request),
        )


def _dollars(amount: Decimal | None) -> str:
    if amount is None:
        return str(_("unknown"))
    places = max(2, -int(amount.normalize().as_tuple().exponent))
    return f"${amount:,.{places}f}"


def _dollars_a_million(rate: Decimal | None) -> str:
    return "–" if rate is None else _dollars(rate * 1_000_000)
