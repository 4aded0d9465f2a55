"""What a budget's form shows below it: last month, had the budget been there."""

from typing import Any

from django.contrib.admin.views.decorators import staff_member_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_POST

from costs.forms import BudgetPreviewForm
from costs.preview_words import sentences
from costs.previews import preview_of
from devora_ops.common.errors import DevoraError
from devora_ops.common.time_zones import time_zone

_PERMISSIONS = ("costs.add_budget", "costs.change_budget")


@staff_member_required
@require_POST
def preview_view(request: HttpRequest) -> HttpResponse:
    """Answer with what the form's budget would have done, or with what is wrong."""
    if not any(request.user.has_perm(name) for name in _PERMISSIONS):
        raise PermissionDenied
    return render(request, "admin/costs/_preview.html", _shown(request))


def _shown(request: HttpRequest) -> dict[str, Any]:
    form = BudgetPreviewForm(request.POST)
    if not form.is_valid():
        return {"errors": _by_label(form)}
    budget = form.instance
    try:
        preview = preview_of(budget, now=timezone.now())
    except DevoraError as error:
        return {"error": error.message}
    return {
        "sentences": sentences(
            preview, zone=time_zone(budget.time_zone), target=budget.route_down_to
        )
    }


def _by_label(form: BudgetPreviewForm) -> dict[str, Any]:
    return {
        str(form.fields[name].label or name) if name in form.fields else "": found
        for name, found in form.errors.items()
    }
