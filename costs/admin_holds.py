"""The admin's list of money that is set aside for calls under way."""

from django.contrib import admin
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext_lazy as _

from costs.models import Counter, Hold
from devora_ops.common import formats
from devora_ops.common.columns import column
from devora_ops.common.forms import SafeModelAdmin
from devora_ops.common.paging import InfinitePaginator, ReadOnly

_AMOUNT = column(Hold, "amount", formats.exact_money)


class HoldAdmin(ReadOnly, SafeModelAdmin):
    """Holds, oldest first: one that stays is a call that hangs, or a process that died."""

    paginator = InfinitePaginator
    list_max_show_all = 0
    list_per_page = 50
    list_display = ("age", "asked", "agent", "team", _AMOUNT, "budgets")
    sortable_by = ()
    show_facets = admin.ShowFacets.NEVER
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("attempt_id", "call_id"),
                    ("created_at", "owner"),
                    ("asked", "agent", "team"),
                    (_AMOUNT, "budgets"),
                )
            },
        ),
    )

    @admin.display(description=_("for"))
    def age(self, hold: Hold) -> str:
        """Return for how long the money has been set aside."""
        seconds = (timezone.now() - hold.created_at).total_seconds()
        if seconds < 60:
            return formats.latency(max(seconds, 0) * 1000)
        return timesince(hold.created_at)

    @admin.display(description=_("model"))
    def asked(self, hold: Hold) -> str:
        """Return which model was asked."""
        return str(hold.facts.get("model", ""))

    @admin.display(description=_("agent"))
    def agent(self, hold: Hold) -> str:
        """Return whose call it is."""
        return str(hold.facts.get("who", {}).get("agent", ""))

    @admin.display(description=_("team"))
    def team(self, hold: Hold) -> str:
        """Return whose agent it is."""
        return str(hold.facts.get("who", {}).get("team", ""))

    @admin.display(description=_("budgets"), empty_value="–")
    def budgets(self, hold: Hold) -> str:
        """Return the budgets that it was taken from."""
        taken = Counter.objects.filter(pk__in=hold.counters).select_related("budget")
        return ", ".join(sorted(counter.budget.name for counter in taken))
