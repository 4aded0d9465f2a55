"""The admin of costs: budgets, the price book, and calls; rules are in the services."""

import itertools
from decimal import Decimal
from typing import Any, Final

from django.contrib import admin, messages
from django.db.models import OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Now
from django.http import HttpRequest
from django.urls import path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from costs.admin_alerts import AlertAdmin
from costs.admin_calls import AttemptAdmin, CallAdmin
from costs.admin_holds import HoldAdmin
from costs.admin_previews import preview_view
from costs.admin_prices import PriceAdmin
from costs.budgets import stage_of
from costs.forms import BudgetForm
from costs.models import Alert, Attempt, Budget, BudgetStage, Call, Counter, Hold, Price
from costs.scopes import unknown_names
from costs.services import change_budget, create_budget, delete_budget
from costs.targets import target_faults
from devora_ops.common import formats
from devora_ops.common.forms import SafeModelAdmin
from devora_ops.common.rest.middleware import request_id

admin.site.register(Call, CallAdmin)
admin.site.register(Attempt, AttemptAdmin)
admin.site.register(Alert, AlertAdmin)
admin.site.register(Hold, HoldAdmin)
admin.site.register(Price, PriceAdmin)


_SCOPE: Final = (("team", "agent"), ("end_user", "model"), ("prompt", "experiment"))
_SCOPE_NAMES: Final = frozenset(itertools.chain.from_iterable(_SCOPE))


@admin.register(Budget)
class BudgetAdmin(SafeModelAdmin):
    """Budgets with what they have spent; every write goes through the services."""

    form = BudgetForm
    list_display = ("name", "scope", "period", "limit", "used", "stage", "is_hard")
    list_filter = (("period", ChoicesDropdownFilter), "hard")
    search_fields = ("name", "agent", "team", "model")
    fieldsets = (
        (
            None,
            {
                "description": _(
                    "A budget counts from the moment it is made: what was spent in its "
                    "first period before that is not in it."
                ),
                "fields": ("name", ("limit_usd", "period"), ("time_zone", "hard")),
            },
        ),
        (
            _("Scope"),
            {
                "description": _("What is empty matches everything."),
                "fields": _SCOPE,
            },
        ),
        (
            _("Steps before the limit"),
            {
                "description": _(
                    "They go by what is spent and set aside, and act within seconds. "
                    "Embeddings are never routed down."
                ),
                "fields": (("route_down_at", "route_down_to"), "cache_only_at"),
            },
        ),
        (
            _("Alerts"),
            {
                "fields": (
                    ("alert_steps", "alert_forecast"),
                    ("alert_emails", "alert_slack"),
                    "snoozed_until",
                )
            },
        ),
    )

    change_form_after_template = "admin/costs/preview_panel.html"

    def get_urls(self) -> list[Any]:
        """Add the preview."""
        preview = path(
            "preview/",
            self.admin_site.admin_view(preview_view),
            name="costs_budget_preview",
        )
        return [preview, *super().get_urls()]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Find out for all rows at once where nothing is routed down."""
        listed = super().get_changelist_instance(request)
        faults = target_faults(budget.route_down_to for budget in listed.result_list)
        for budget in listed.result_list:
            budget.route_down_fault = faults.get(budget.route_down_to, "")
        return listed

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
        return formats.exact_money(budget.limit_usd)

    @admin.display(description=_("spent"))
    def used(self, budget: Any) -> SafeString:
        """Return what is spent, and what is set aside for calls under way."""
        share = (
            (budget.spent + budget.held) / budget.limit_usd if budget.limit_usd else 1
        )
        said = formats.percent(float(share), places=0)
        return format_html("{} ({})", formats.money(budget.spent), said)

    @admin.display(description=_("now"))
    def stage(self, budget: Any) -> str:
        """Return what the budget does to calls now, and what keeps it from that."""
        stage = stage_of(budget, spent=budget.spent, held=budget.held)
        if stage is BudgetStage.ROUTE_DOWN and budget.route_down_fault:
            return format_html(
                "{} · {}", BudgetStage.NONE.label, budget.route_down_fault
            )
        return str(stage.label)

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
        for name, value in unknown_names(obj):
            told = _(
                "There is no %(name)s “%(value)s”: this budget guards nothing yet."
            )
            values = {"name": Budget._meta.get_field(name).verbose_name, "value": value}  # type: ignore[union-attr]
            messages.warning(request, told % values)
        if change:
            stored = Budget.objects.get(pk=obj.pk)
            changes = {name: form.cleaned_data[name] for name in form.changed_data}
            change_budget(stored, **who, **changes)
            if _SCOPE_NAMES & changes.keys():
                told = _(
                    "What was spent under the former scope stays counted until the "
                    "period ends."
                )
                messages.warning(request, told)
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
