"""The admin's price book: rows are added or imported, and never edited."""

from typing import Any, Final

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action

from costs.admin_price_import import import_view
from costs.admin_reprice import reprice_view
from costs.forms import PriceForm
from costs.models import Price
from costs.price_importing import doubts_about
from costs.price_notices import notices
from costs.price_rows import EACH, PER_TOKEN
from costs.services import record_price
from devora_ops.common import formats
from devora_ops.common.columns import column
from devora_ops.common.forms import SafeModelAdmin
from devora_ops.common.rest.middleware import request_id
from devora_ops.common.roles import OWNER, reaches

_RATES: Final = {
    **{name: column(Price, name, formats.per_million) for name in PER_TOKEN},
    **{name: column(Price, name, formats.exact_money) for name in EACH},
}

_CONFIRMATION: Final = (None, {"fields": ("confirmed",)})


def _in_words(fields: Any) -> Any:
    """Put columns in the places of rates, in rows of fields too."""
    if isinstance(fields, tuple):
        return tuple(map(_in_words, fields))
    return _RATES.get(fields, fields)


class PriceAdmin(SafeModelAdmin):
    """The price book: a price is never edited, a newer one takes its place."""

    form = PriceForm
    actions = None
    actions_list = ("import_prices", "reprice")
    list_before_template = "admin/costs/price_notices.html"
    list_display = ("model", "valid_from", "input_rate", "output_rate", "source")
    search_fields = ("model",)
    date_hierarchy = "valid_from"
    fieldsets = (
        (None, {"fields": ("model", "valid_from", "source")}),
        (
            _("USD per million tokens"),
            {
                "fields": (
                    ("input", "output"),
                    "cache_read",
                    ("cache_write_5m", "cache_write_1h"),
                    ("input_audio", "output_audio"),
                )
            },
        ),
        (_("USD each"), {"fields": (("web_search", "per_request"),)}),
        (_("Tiers"), {"classes": ("collapse",), "fields": ("schedule",)}),
    )

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the book below what is wrong with it."""
        context = {
            **(extra_context or {}),
            "notices": notices(),
            "may_reprice": self.has_reprice_permission(request),
        }
        return super().changelist_view(request, context)

    def get_fieldsets(self, request: HttpRequest, obj: Price | None = None) -> Any:
        """Write a stored price as the form takes it: rates per million tokens."""
        if obj is None:
            return [*self.fieldsets, _CONFIRMATION]
        return [
            (title, {**options, "fields": _in_words(options["fields"])})
            for title, options in self.fieldsets
        ]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What calls were billed with must stay true."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What calls were billed with must stay."""
        return False

    @action(  # type: ignore[untyped-decorator]
        description=_("Import"), url_path="import", permissions=["add"], icon="upload"
    )
    def import_prices(self, request: HttpRequest) -> HttpResponse:
        """Ask for a file, show what it would change, and import it."""
        context = {**self.admin_site.each_context(request), "opts": self.opts}
        return import_view(request, context, "admin:costs_price_changelist")

    def has_reprice_permission(self, request: HttpRequest) -> bool:
        """Who changes what all past bills come to is an Owner."""
        return reaches(getattr(request.user, "role", None), OWNER)

    @action(  # type: ignore[untyped-decorator]
        description=_("Reprice calls"),
        url_path="reprice",
        permissions=["reprice"],
        icon="price_change",
    )
    def reprice(self, request: HttpRequest) -> HttpResponse:
        """Ask for calls, show what they cost by today's book, and post the difference."""
        context = {**self.admin_site.each_context(request), "opts": self.opts}
        return reprice_view(request, context, "admin:costs_price_changelist")

    @admin.display(description=_("input, $/M"))
    def input_rate(self, price: Price) -> str:
        """Return the rate of a million tokens in."""
        return formats.per_million(price.input)

    @admin.display(description=_("output, $/M"))
    def output_rate(self, price: Price) -> str:
        """Return the rate of a million tokens out."""
        return formats.per_million(price.output)

    def save_model(
        self, request: HttpRequest, obj: Price, form: PriceForm, change: bool
    ) -> None:
        """Add the price, say so in the audit, and say what is odd about it."""
        super().save_model(request, obj, form, change)
        who = request.user.get_username()
        record_price(obj, actor=who, request_id=request_id(request))
        for doubt in doubts_about(obj):
            messages.warning(request, doubt)
