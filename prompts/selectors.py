"""Reads: prompts with what lists and pages show of them."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Max, QuerySet
from django.utils.translation import gettext as _

from devora_ops.common.errors import NotFound
from prompts.models import Label, Prompt, PromptVersion
from prompts.rendering import render_messages
from prompts.runtime import DEFAULT_LABEL
from prompts.variables import PASSAGES, fill


def prompts_with_newest() -> QuerySet[Prompt]:
    """Return prompts with `newest` (a number) and their labels ready to read."""
    return Prompt.objects.annotate(newest=Max("versions__number")).prefetch_related(
        "labels__version"
    )


def prompt_by_slug(slug: str) -> Prompt:
    """Return a prompt, or raise NotFound."""
    prompt = prompts_with_newest().filter(slug=slug).first()
    if prompt is None:
        raise NotFound(_("There is no such prompt."), code="prompt_not_found")
    return prompt


def version_of(
    prompt: Prompt, *, label: str | None = None, number: int | None = None
) -> PromptVersion:
    """Return the version that a number or a label names, or raise NotFound."""
    if number is not None:
        found = prompt.versions.filter(number=number).first()
        if found is None:
            raise NotFound(_("There is no such version."), code="version_not_found")
        return found
    wanted = label or DEFAULT_LABEL
    pointer = Label.objects.filter(prompt=prompt, name=wanted)
    found_label = pointer.select_related("version").first()
    if found_label is None:
        listed = ", ".join(Label.objects.filter(prompt=prompt).numbers()) or "–"
        message = _("There is no label %(label)s. Labels: %(listed)s.")
        values = {"label": wanted[:64], "listed": listed}
        raise NotFound(message % values, code="label_not_found")
    version: PromptVersion = found_label.version
    return version


def rendered(
    version: PromptVersion, variables: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return a stored version's messages with the variables filled in.

    Nothing is retrieved: where passages would go, there is nothing.
    """
    values = fill(version.variables, variables)
    if version.corpus:
        values.setdefault(PASSAGES, "")
    return render_messages(version.messages, values)
