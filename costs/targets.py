"""Whether calls can be routed down to what a budget names, as far as tables tell."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from django.apps import apps
from django.db.models import Value
from django.db.models.functions import Concat
from django.utils import timezone
from django.utils.translation import gettext as _

from costs.models import Price


def target_faults(names: Iterable[str]) -> Mapping[str, str]:
    """Return why the gateway would route nothing down to a name; the others are left out.

    A name is a route's, or a model's as `provider/name`.
    """
    wanted = {name for name in names if name}
    if not wanted:
        return {}
    models = _models_behind(wanted)
    priced = set(
        Price.objects.filter(
            model__in=set().union(*models.values()), valid_from__lte=timezone.now()
        ).values_list("model", flat=True)
    )
    return {
        name: _fault(name, models.get(name, set()))
        for name in wanted
        if not models.get(name, set()) & priced
    }


def _fault(name: str, models: set[str]) -> str:
    if models:
        told = _("“%(name)s” has no price: nobody knows that it is cheaper.")
    else:
        told = _("There is no route or model “%(name)s” that can be called.")
    return told % {"name": name}


def _models_behind(names: set[str]) -> Mapping[str, set[str]]:
    """Return the models that may serve each name; their floor is above, so by label."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    targets = apps.get_model("llm.RouteTarget").objects.filter(
        route__slug__in=names,
        route__is_active=True,
        model__is_active=True,
        model__provider__is_active=True,
    )
    full = Concat("model__provider__slug", Value("/"), "model__name")
    for route, model in targets.values_list("route__slug", full):
        found[route].add(model)
    models = apps.get_model("llm.Model").objects.filter(
        is_active=True, provider__is_active=True
    )
    models = models.annotate(full=Concat("provider__slug", Value("/"), "name"))
    for model in models.filter(full__in=names).values_list("full", flat=True):
        found[model].add(model)
    return found
