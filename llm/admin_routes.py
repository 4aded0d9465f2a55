"""Routes in the admin: their models, their deadlines, and what follows a failed try."""

from django.contrib import admin
from django.db.models import JSONField, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from devora_ops.common.forms import SafeJSONFormField
from llm.admin_audited import AuditedAdmin
from llm.forms import RouteForm, TargetFormSet
from llm.models import Route, RouteTarget


class TargetInline(TabularInline):  # type: ignore[misc]
    """The models of a route, in order."""

    model = RouteTarget
    formset = TargetFormSet
    fields = ("position", "model", "weight", "conditions")
    autocomplete_fields = ("model",)
    ordering = ("position", "id")
    extra = 1
    formfield_overrides = {
        JSONField: {
            "form_class": SafeJSONFormField,
            "widget": UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        }
    }

    def get_queryset(self, request: HttpRequest) -> QuerySet[RouteTarget]:
        """Return targets with what names them."""
        targets: QuerySet[RouteTarget] = super().get_queryset(request)
        return targets.select_related("model__provider")


class RouteAdmin(AuditedAdmin):
    """Public names and the models behind them."""

    form = RouteForm
    list_display = ("slug", "strategy", "target_list", "default_max_tokens", "enabled")
    search_fields = ("slug",)
    inlines = (TargetInline,)
    fieldsets = (
        (
            None,
            {"fields": ("slug", ("strategy", "default_max_tokens"), "is_active")},
        ),
        (
            _("Deadlines"),
            {
                "fields": (
                    ("connect_s", "first_byte_s"),
                    ("between_chunks_s", "total_s"),
                )
            },
        ),
        (
            _("When a try fails"),
            {"fields": ("max_attempts", "allow_duplicates", "larger_when_too_long")},
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Route]:
        """Return routes with their targets."""
        routes: QuerySet[Route] = super().get_queryset(request)
        return routes.prefetch_related("targets__model__provider")

    @admin.display(description=_("targets"))
    def target_list(self, route: Route) -> str:
        """Return the models in order."""
        return " → ".join(str(target.model) for target in route.targets.all())

    @display(description=_("active"), boolean=True, ordering="is_active")  # type: ignore[untyped-decorator]
    def enabled(self, route: Route) -> bool:
        """Say whether agents may ask for it."""
        return route.is_active
