"""Prompts and versions in the admin; every write goes through the services."""

from typing import Any

from django.contrib import admin, messages
from django.db import models
from django.db.models import Max, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.decorators import action
from unfold.widgets import UnfoldAdminTextareaWidget

from devora_ops.common.errors import Conflict, DevoraError
from devora_ops.common.forms import SafeModelAdmin
from prompts.admin_content import ContentGuard
from prompts.admin_preview import preview_view
from prompts.forms import MoveLabelForm, NewPromptForm, VersionForm, initial_of
from prompts.models import Label, Prompt, PromptVersion
from prompts.services import (
    label_move,
    prompt_create,
    prompt_delete,
    prompt_describe,
    version_create,
)

# Three lines are enough for what only people read.
SHORT_TEXTS: dict[Any, Any] = {
    **SafeModelAdmin.formfield_overrides,
    models.TextField: {"widget": UnfoldAdminTextareaWidget(attrs={"rows": 3})},
}
_TEXTS = (_("What is said"), {"fields": ("system", "user")})
_SETTINGS = (
    _("Who answers"),
    {"fields": ("model", ("temperature", "max_tokens"), ("corpus", "top_k"))},
)
_ADVANCED = (
    _("Advanced"),
    {
        "classes": ("collapse",),
        "fields": ("variables", "parameters", "response_schema", "cache", "messages"),
    },
)


class VersionInline(TabularInline):  # type: ignore[misc]
    """A prompt's versions, to look at."""

    model = PromptVersion
    verbose_name_plural = _("versions")
    fields = readonly_fields = ("link", "note", "model", "created_by", "created_at")
    ordering = ("-number",)
    per_page = 20
    hide_title = True
    extra = max_num = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Versions are made on a page of their own."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Versions do not change."""
        return False

    @admin.display(description=_("version"))
    def link(self, version: PromptVersion) -> SafeString:
        """Return a link to the version."""
        url = reverse("admin:prompts_promptversion_change", args=(version.pk,))
        return format_html(
            '<a class="text-primary-600 dark:text-primary-500" href="{}">v{}</a>',
            url,
            version.number,
        )


class LabelInline(TabularInline):  # type: ignore[misc]
    """Where a prompt's labels point."""

    model = Label
    fields = readonly_fields = ("name", "version", "moved_by", "moved_at")
    hide_title = True
    extra = max_num = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Labels are moved from the page of a version."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Labels are moved from the page of a version."""
        return False


class _ActingAdmin(SafeModelAdmin):
    """Permissions of the actions as methods.

    Named as `app.codename` they would make every system check, `migrate`'s first one
    included, ask the database for them.
    """

    def has_add_version_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether a person may make versions."""
        return request.user.has_perm("prompts.add_promptversion")

    def has_move_label_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether a person may point labels elsewhere."""
        return request.user.has_perm("prompts.change_label")


@admin.register(Prompt)
class PromptAdmin(_ActingAdmin):
    """Prompts; what one says is changed by making a new version."""

    list_display = ("slug", "name", "newest", "pointers")
    search_fields = ("slug", "name")
    inlines = (LabelInline, VersionInline)
    formfield_overrides = SHORT_TEXTS
    actions_detail = ("new_version",)
    change_form_after_template = "admin/prompts/preview_panel.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Prompt]:
        """Return prompts with their newest version and labels."""
        prompts = Prompt.objects.annotate(newest=Max("versions__number"))
        # Grouping drops the order that the model has; completion needs one.
        return prompts.prefetch_related("labels__version").order_by("slug")

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """Ask for the first version when a prompt is made."""
        if obj is None:
            kwargs["form"] = NewPromptForm
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Prompt | None = None) -> Any:
        """Show the texts first when a prompt is made."""
        naming = (None, {"fields": ("slug", "name", "description")})
        return (naming,) if obj else (naming, _TEXTS, _SETTINGS, _ADVANCED)

    def get_readonly_fields(
        self, request: HttpRequest, obj: Prompt | None = None
    ) -> tuple[str, ...]:
        """Fix the slug that agents call."""
        return ("slug",) if obj else ()

    def get_inlines(self, request: HttpRequest, obj: Prompt | None) -> Any:
        """Show versions and labels once there are some."""
        return self.inlines if obj else ()

    @admin.display(description=_("newest"), ordering="newest")
    def newest(self, prompt: Any) -> str:
        """Return the number of the newest version."""
        return f"v{prompt.newest}"

    @admin.display(description=_("labels"))
    def pointers(self, prompt: Prompt) -> str:
        """Return where the labels point."""
        return ", ".join(str(label) for label in prompt.labels.all()) or "–"

    @action(  # type: ignore[untyped-decorator]
        description=_("New version"),
        url_path="new-version",
        permissions=["add_version"],
    )
    def new_version(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Lead to the form of a new version, filled from the newest."""
        return _new_version_of(object_id)

    def save_model(
        self, request: HttpRequest, obj: Prompt, form: Any, change: bool
    ) -> None:
        """Make or describe the prompt."""
        actor = _actor(request)
        if change:
            prompt_describe(
                prompt=obj, name=obj.name, description=obj.description, actor=actor
            )
            return
        made = prompt_create(
            slug=obj.slug,
            name=obj.name,
            description=obj.description,
            definition=form.definition_given(),
            actor=actor,
        )
        obj.pk = made.pk

    def delete_model(self, request: HttpRequest, obj: Prompt) -> None:
        """Delete the prompt with its versions."""
        prompt_delete(prompt=obj, actor=_actor(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Prompt]) -> None:
        """Delete the prompts with their versions."""
        for prompt in queryset:
            prompt_delete(prompt=prompt, actor=_actor(request))


@admin.register(PromptVersion)
class PromptVersionAdmin(ContentGuard, _ActingAdmin):
    """Versions: made here, looked at ever after."""

    form = VersionForm
    list_display = ("prompt", "number", "model", "note", "created_by", "created_at")
    list_display_links = ("prompt", "number")
    list_filter = ("prompt",)
    list_select_related = ("prompt",)
    search_fields = ("prompt__slug", "note")
    ordering = ("-id",)
    actions_detail = ("new_version", "move_label")
    change_form_after_template = "admin/prompts/preview_panel.html"
    _SHOWN = (
        "prompt",
        "number",
        "note",
        "conversation",
        "variables",
        "model",
        "parameters",
        "response_schema",
        "corpus",
        "retrieval",
        "cache",
        "created_by",
        "created_at",
    )

    def get_fieldsets(
        self, request: HttpRequest, obj: PromptVersion | None = None
    ) -> Any:
        """Show the texts first when a version is made."""
        if obj:
            return ((None, {"fields": self.readable(request, self._SHOWN)}),)
        of = (None, {"fields": ("prompt", "note", "based_on")})
        return (of, _TEXTS, _SETTINGS, _ADVANCED)

    def get_readonly_fields(
        self, request: HttpRequest, obj: PromptVersion | None = None
    ) -> tuple[str, ...]:
        """Show a version that exists; nothing of it changes."""
        return self.readable(request, self._SHOWN) if obj else ()

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Versions do not change."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Versions go with their prompt."""
        return False

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Fill the form from the prompt's newest version, or from the one named."""
        prompt = _found(Prompt, request.GET.get("prompt"))
        if prompt is None:
            return {}
        newest = prompt.versions.first()
        base = _found(PromptVersion, request.GET.get("from")) or newest
        shown = initial_of(base) if base is not None else {}
        seen = newest.number if newest is not None else 0
        return {**shown, "prompt": prompt.pk, "based_on": seen}

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show or take the form."""
        try:
            answer: HttpResponse = super().add_view(request, form_url, extra_context)
        except Conflict:
            # Somebody was quicker by a moment: now the form itself can say so.
            answer = super().add_view(request, form_url, extra_context)
        return answer

    def save_model(
        self, request: HttpRequest, obj: PromptVersion, form: Any, change: bool
    ) -> None:
        """Make the version."""
        made = version_create(
            prompt=obj.prompt,
            definition=form.definition_given(),
            note=obj.note,
            based_on=form.cleaned_data.get("based_on"),
            actor=_actor(request),
        )
        obj.pk, obj.number = made.pk, made.number

    @admin.display(description=_("messages"))
    def conversation(self, version: PromptVersion) -> str:
        """Return the messages as blocks."""
        return render_to_string(
            "admin/prompts/_messages.html", {"messages": version.messages}
        )

    @action(  # type: ignore[untyped-decorator]
        description=_("New version from this"),
        url_path="new-version",
        permissions=["add_version"],
    )
    def new_version(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Lead to the form of a new version, filled from this one."""
        version = get_object_or_404(PromptVersion, pk=_number(object_id))
        return _new_version_of(str(version.prompt_id), version.pk)

    @action(  # type: ignore[untyped-decorator]
        description=_("Move a label here"),
        url_path="move-label",
        permissions=["move_label"],
    )
    def move_label(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a label and point it at this version."""
        version = get_object_or_404(PromptVersion, pk=_number(object_id))
        form = MoveLabelForm(request.POST or None)
        if form.is_valid() and self._moved(request, version, form):
            url = reverse("admin:prompts_prompt_change", args=(version.prompt_id,))
            return HttpResponseRedirect(url)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "form": form,
            "title": gettext("Move a label to %(prompt)s, version %(number)s")
            % {"prompt": version.prompt.slug, "number": version.number},
            "submit_label": gettext("Move the label"),
        }
        return TemplateResponse(request, "admin/action_form.html", context)

    def _moved(
        self, request: HttpRequest, version: PromptVersion, form: MoveLabelForm
    ) -> bool:
        label = form.cleaned_data["label"]
        try:
            label_move(
                prompt=version.prompt,
                label=label,
                number=version.number,
                actor=_actor(request),
            )
        except DevoraError as error:
            form.add_error("label", error.message)
            return False
        text = gettext("“%(label)s” points at version %(number)s.")
        values = {"label": label, "number": version.number}
        messages.success(request, text % values)
        return True

    def get_urls(self) -> list[Any]:
        """Add the preview, which the form asks for as one types."""
        preview = self.admin_site.admin_view(preview_view)
        name = "prompts_promptversion_preview"
        return [path("preview/", preview, name=name), *super().get_urls()]


def _actor(request: HttpRequest) -> str:
    return f"user:{request.user.get_username()}"


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and len(text) < 19 else None


def _found(model: Any, pk: str | None) -> Any:
    number = _number(pk)
    return None if number is None else model.objects.filter(pk=number).first()


def _new_version_of(prompt: str, version: int | None = None) -> HttpResponse:
    url = reverse("admin:prompts_promptversion_add")
    origin = f"&from={version}" if version else ""
    return HttpResponseRedirect(f"{url}?prompt={_number(prompt) or 0}{origin}")
