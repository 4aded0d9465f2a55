"""Writes: prompts, their versions, and where labels point."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from devora_ops.common.audit import record
from devora_ops.common.errors import Conflict, InvalidRequest, NotFound, Unprocessable
from devora_ops.common.text import TextRefused, check_text, clean_name
from prompts.definition import Definition, check_examples, checked
from prompts.library import BuiltIn, built_ins
from prompts.models import Label, Prompt, PromptVersion
from prompts.runtime import DEFAULT_LABEL
from rag.models import Corpus

_LABEL = re.compile(r"(?![0-9]+$)[a-z0-9][a-z0-9_-]{0,63}")
FIELDS = (
    "messages",
    "variables",
    "model",
    "parameters",
    "response_schema",
    "corpus",
    "retrieval",
    "cache",
)


@transaction.atomic
def prompt_create(
    *,
    slug: str,
    name: str,
    definition: Mapping[str, Any],
    actor: str,
    description: str = "",
    note: str = "",
    request_id: str = "",
) -> Prompt:
    """Make a prompt and its version 1. Raises ValidationError, DevoraError."""
    prompt = Prompt(slug=slug, name=_name(name or slug), description=description)
    prompt.full_clean()
    content = checked(definition)
    check_corpus(content.corpus)
    prompt.save()
    _insert(prompt, 1, content, actor=actor, note=note)
    record(
        actor=actor,
        request_id=request_id,
        action="create",
        object_type="prompt",
        object_id=slug,
        after={"name": prompt.name, "version": 1},
    )
    return prompt


@transaction.atomic
def version_create(
    *,
    prompt: Prompt,
    definition: Mapping[str, Any],
    actor: str,
    note: str = "",
    based_on: int | None = None,
    request_id: str = "",
) -> PromptVersion:
    """Make the next version; fields that are not given are those of the newest.

    based_on: the version that the author saw; a newer one by now is a Conflict, and so
    is somebody who saves at the same moment: no number is given twice.
    """
    newest = prompt.versions.first()
    number = newest.number if newest else 0
    if based_on is not None and based_on != number:
        raise _version_conflict(number)
    content = checked(definition, base=definition_of(newest))
    check_corpus(content.corpus)
    try:
        with transaction.atomic():
            version = _insert(prompt, number + 1, content, actor=actor, note=note)
    except IntegrityError as error:
        raise _version_conflict(number + 1) from error
    record(
        actor=actor,
        request_id=request_id,
        action="create",
        object_type="prompt_version",
        object_id=f"{prompt.slug}@{version.number}",
        after={"note": version.note, "model": version.model},
    )
    return version


@transaction.atomic
def label_move(
    *, prompt: Prompt, label: str, number: int, actor: str, request_id: str = ""
) -> Label:
    """Point a label at a version, making the label if it is new.

    Raises InvalidRequest (the label's name), NotFound (no such version), and
    TemplateInvalid when the version does not render with its own examples.
    """
    check_label(label)
    version = _version(prompt, number)
    check_examples(_definition(version))
    # The prompt's row is the lock, so that what the audit calls before was before.
    Prompt.objects.select_for_update().get(pk=prompt.pk)
    existing = Label.objects.filter(prompt=prompt, name=label).first()
    before = existing.version.number if existing else None
    moved, _created = Label.objects.update_or_create(
        prompt=prompt, name=label, defaults={"version": version, "moved_by": actor}
    )
    record(
        actor=actor,
        request_id=request_id,
        action="move_label",
        object_type="prompt",
        object_id=f"{prompt.slug}@{label}",
        before={"version": before},
        after={"version": number},
    )
    return moved


@transaction.atomic
def prompt_describe(
    *, prompt: Prompt, name: str, description: str, actor: str, request_id: str = ""
) -> Prompt:
    """Change what people read about a prompt; nothing that determines an answer."""
    before = {"name": prompt.name}
    prompt.name, prompt.description = _name(name), description
    prompt.full_clean()
    prompt.save()
    record(
        actor=actor,
        request_id=request_id,
        action="describe",
        object_type="prompt",
        object_id=prompt.slug,
        before=before,
        after={"name": prompt.name},
    )
    return prompt


@transaction.atomic
def prompt_delete(*, prompt: Prompt, actor: str, request_id: str = "") -> None:
    """Delete a prompt with its versions and labels. Raises ProtectedError."""
    record(
        actor=actor,
        request_id=request_id,
        action="delete",
        object_type="prompt",
        object_id=prompt.slug,
        before={"name": prompt.name},
    )
    prompt.delete()


@transaction.atomic
def library_install(*, actor: str = "system") -> list[Prompt]:
    """Make the built-in prompts that are not there yet, as production versions."""
    known = set(Prompt.objects.values_list("slug", flat=True))
    return [
        _install(built_in, actor=actor)
        for built_in in built_ins()
        if built_in.slug not in known
    ]


def check_label(label: str) -> None:
    """Raise InvalidRequest for a name that no label may have."""
    if not _LABEL.fullmatch(label):
        message = _("A label is lower-case letters, digits, - and _, not digits alone.")
        raise InvalidRequest(message, code="invalid", param="label")


def check_corpus(slug: str) -> None:
    """Raise Unprocessable for a corpus that is not there; none at all is fine."""
    if slug and not Corpus.objects.filter(slug=slug).exists():
        message = _("There is no corpus %(slug)s.") % {"slug": slug}
        raise Unprocessable(message, code="corpus_not_found", param="corpus")


def definition_of(version: PromptVersion | None) -> dict[str, Any]:
    """Return a version's content as the input of another one."""
    return {name: getattr(version, name) for name in FIELDS} if version else {}


def _install(built_in: BuiltIn, *, actor: str) -> Prompt:
    prompt = prompt_create(
        slug=built_in.slug,
        name=built_in.name,
        description=built_in.description,
        definition=built_in.definition,
        actor=actor,
        note=_("Built in"),
    )
    label_move(prompt=prompt, label=DEFAULT_LABEL, number=1, actor=actor)
    return prompt


def _definition(version: PromptVersion) -> Definition:
    return Definition(**definition_of(version))


def _insert(
    prompt: Prompt, number: int, content: Definition, *, actor: str, note: str
) -> PromptVersion:
    version = PromptVersion(
        prompt=prompt,
        number=number,
        created_by=actor,
        note=_note(note),
        **asdict(content),
    )
    version.save(force_insert=True)
    return version


def _version(prompt: Prompt, number: int) -> PromptVersion:
    found = prompt.versions.filter(number=number).first()
    if found is None:
        message = _("%(slug)s has no version %(number)s.")
        values = {"slug": prompt.slug, "number": number}
        raise NotFound(message % values, code="version_not_found", param="version")
    return found


def _version_conflict(newest: int) -> Conflict:
    message = _("Version %(number)s was saved meanwhile: look at it, then save again.")
    return Conflict(message % {"number": newest}, extra={"newest": newest})


def _name(name: str) -> str:
    try:
        return clean_name(name)
    except TextRefused as refusal:
        raise ValidationError({"name": refusal.message}, code=refusal.code) from None


def _note(note: str) -> str:
    try:
        check_text(note, max_length=200)
    except TextRefused as refusal:
        raise InvalidRequest(
            refusal.message, code=refusal.code, param="note"
        ) from refusal
    return note
