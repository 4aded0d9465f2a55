"""Experiments in the admin: written as drafts, then started, stopped and promoted."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.decorators import action, display

from devora_ops.common.errors import DevoraError
from devora_ops.common.forms import SafeModelAdmin
from experiments.forms import PromoteForm, StepForm, VariantForm, VariantFormSet
from experiments.models import Experiment, Status, Variant
from experiments.selectors import experiments_with_variants, tallies
from experiments.services import (
    experiment_change,
    experiment_create,
    experiment_promote,
    experiment_start,
    experiment_stop,
)
from prompts.admin import SHORT_TEXTS

_FIELDS = (
    "slug",
    "prompt",
    "hypothesis",
    "unit",
    "primary_metric",
    "guardrails",
    "min_days",
)
_STATE = ("status", "winner", "started_at", "stopped_at")
_STEPS = {
    "start": {Status.DRAFT},
    "stop": {Status.RUNNING},
    "promote": {Status.RUNNING, Status.STOPPED},
}
_SAVE_BUTTONS = ("show_save", "show_save_and_continue", "show_save_and_add_another")
_CHANGE = ("change",)  # by name it would be looked up in the database by every check


class VariantInline(TabularInline):  # type: ignore[misc]
    """The candidates of an experiment, open while it is a draft."""

    model = Variant
    form = VariantForm
    formset = VariantFormSet
    fields = ("name", "number", "weight")
    extra = 1
    max_num = 20
    hide_title = True

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show the version where it cannot be chosen any more."""
        return ("number",) if _is_fixed(obj) else ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Variant]:
        """Return variants with their versions."""
        variants = super().get_queryset(request)
        return variants.select_related("version")  # type: ignore[no-any-return]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Add to drafts only."""
        return not _is_fixed(obj) and bool(super().has_add_permission(request, obj))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Change drafts only."""
        return not _is_fixed(obj) and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Take away from drafts only."""
        return not _is_fixed(obj) and bool(super().has_delete_permission(request, obj))

    @admin.display(description=_("version"))
    def number(self, variant: Variant) -> str:
        """Return the version's number."""
        return str(variant.version)


@admin.register(Experiment)
class ExperimentAdmin(SafeModelAdmin):
    """Experiments with their state; the steps are buttons that ask first."""

    list_display = ("slug", "prompt", "state", "arms", "started_at", "stopped_at")
    list_filter = ("status",)
    search_fields = ("slug", "prompt__slug", "hypothesis")
    inlines = (VariantInline,)
    formfield_overrides = SHORT_TEXTS
    actions_detail = ("start", "stop", "promote")
    change_form_before_template = "admin/experiments/tallies.html"

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Show what was counted, and nothing to save once nothing can be changed."""
        found: Any = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if _is_fixed(found):
            context |= dict.fromkeys(_SAVE_BUTTONS, False) | {"tallies": tallies(found)}
        return super().change_view(request, object_id, form_url, context)

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        """Offer the steps that can be taken now."""
        experiment: Any = self.get_object(request, object_id)
        return [
            step
            for step in super().get_actions_detail(request, object_id)
            if experiment is not None and experiment.status in _STEPS[step.path]
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Experiment]:
        """Return experiments with their variants."""
        return experiments_with_variants()

    def get_fields(self, request: HttpRequest, obj: Experiment | None = None) -> Any:
        """Show the state once there is one."""
        return (*_STATE, *_FIELDS) if obj else _FIELDS

    def get_readonly_fields(
        self, request: HttpRequest, obj: Experiment | None = None
    ) -> Any:
        """Fix what calls depend on: the prompt always, the rest once it has started."""
        if obj is None:
            return ()
        return (*_STATE, *_FIELDS) if _is_fixed(obj) else (*_STATE, "slug", "prompt")

    @display(  # type: ignore[untyped-decorator]
        description=_("status"),
        ordering="status",
        label={"running": "info", "done": "success", "stopped": "warning"},
    )
    def state(self, experiment: Experiment) -> tuple[str, str]:
        """Return the status for its colour, and its name."""
        return experiment.status, experiment.get_status_display()

    @admin.display(description=_("variants"))
    def arms(self, experiment: Experiment) -> str:
        """Return the variants with version and weight."""
        arms = (
            f"{v.name} v{v.version.number} ×{v.weight}" for v in _variants(experiment)
        )
        return ", ".join(arms)

    def save_model(
        self, request: HttpRequest, obj: Experiment, form: Any, change: bool
    ) -> None:
        """Make or change the draft; the inline brings its variants."""
        if change:
            experiment_change(experiment=obj, actor=_actor(request))
            return
        made = experiment_create(
            **form.cleaned_data, variants=[], actor=_actor(request)
        )
        obj.pk, obj.salt = made.pk, made.salt

    @action(  # type: ignore[untyped-decorator]
        description=_("Start"), url_path="start", permissions=_CHANGE
    )
    def start(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, then start."""
        return self._step(
            request,
            object_id,
            experiment_start,
            _("Start %(slug)s"),
            _("From now on, calls of the prompt get one of the variants."),
        )

    @action(  # type: ignore[untyped-decorator]
        description=_("Stop"), url_path="stop", permissions=_CHANGE
    )
    def stop(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, then stop."""
        return self._step(
            request,
            object_id,
            experiment_stop,
            _("Stop %(slug)s"),
            _("Calls follow the prompt's labels again. It cannot be started anew."),
        )

    @action(  # type: ignore[untyped-decorator]
        description=_("Promote a variant"), url_path="promote", permissions=_CHANGE
    )
    def promote(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for the winner, then move the label to it."""
        return self._step(
            request,
            object_id,
            experiment_promote,
            _("Promote a variant of %(slug)s"),
            _("The label moves to the variant's version, and the experiment ends."),
            form_class=PromoteForm,
        )

    def _step(
        self,
        request: HttpRequest,
        object_id: str,
        service: Callable[..., Experiment],
        title: Any,
        explanation: Any,
        form_class: type[StepForm] = StepForm,
    ) -> HttpResponse:
        """Show a form that explains the step, and take the step when it is sent."""
        experiment = _experiment(object_id)
        sent = request.POST if request.method == "POST" else None
        form = form_class(sent, experiment=experiment)
        if form.is_valid() and _taken(request, form, service):
            url = reverse("admin:experiments_experiment_change", args=(experiment.pk,))
            return HttpResponseRedirect(url)
        heading = title % {"slug": experiment.slug}
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "form": form,
            "title": heading,
            "explanation": explanation,
            "submit_label": heading,
        }
        return TemplateResponse(request, "admin/action_form.html", context)


def _taken(
    request: HttpRequest, form: StepForm, service: Callable[..., Experiment]
) -> bool:
    """Take the step; say False, with the reason in the form, when it is refused."""
    given = form.cleaned_data
    try:
        done = service(experiment=form.experiment, actor=_actor(request), **given)
    except DevoraError as error:
        form.add_error(None, error.message)
        return False
    values = {"slug": done.slug, "status": done.get_status_display()}
    messages.success(request, gettext("%(slug)s: %(status)s.") % values)
    return True


def _experiment(object_id: str) -> Experiment:
    pk = int(object_id) if object_id.isdecimal() and len(object_id) < 19 else None
    return get_object_or_404(experiments_with_variants(), pk=pk)


def _variants(experiment: Experiment) -> list[Variant]:
    return list(experiment.variants.all())


def _is_fixed(experiment: Experiment | None) -> bool:
    return experiment is not None and experiment.status != Status.DRAFT


def _actor(request: HttpRequest) -> str:
    return f"user:{request.user.get_username()}"
