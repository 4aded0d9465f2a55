"""The admin's forms of corpora and documents."""

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from devora_ops.common.errors import DevoraError
from devora_ops.common.forms import NameFormField, SafeJSONFormField, TextFormField
from rag.embedders.registry import known_embedders
from rag.models import Corpus, Document
from rag.parsing import MAX_BYTES, document_kind, parse
from rag.services import NewDocument

_TYPED = 1_000_000  # characters: more is better uploaded


class CorpusForm(forms.ModelForm):  # type: ignore[type-arg]
    """A corpus; its embedder is one of those there are."""

    embedder = forms.ChoiceField(
        label=_("Embedder"),
        choices=[(name, name) for name in known_embedders()],
        widget=UnfoldAdminSelectWidget,
    )

    class Meta:
        model = Corpus
        fields = ("slug", "name", "language", "embedder", "store")


class DocumentForm(forms.ModelForm):  # type: ignore[type-arg]
    """A document's text, typed or uploaded; left as it is, the content stays."""

    external_id = NameFormField(
        label=_("External id"), max_length=200, widget=UnfoldAdminTextInputWidget
    )
    title = NameFormField(
        label=_("Title"),
        max_length=300,
        required=False,
        widget=UnfoldAdminTextInputWidget,
    )
    text = TextFormField(
        label=_("Text"),
        required=False,
        max_length=_TYPED,
        widget=UnfoldAdminTextareaWidget,
    )
    file = forms.FileField(
        label=_("File"),
        required=False,
        help_text=_("Text or Markdown, in place of the text above; its name decides."),
        widget=UnfoldAdminFileFieldWidget,
    )
    metadata = SafeJSONFormField(
        label=_("Metadata"),
        required=False,
        initial=dict,
        help_text=_("A JSON object; searches can filter by it."),
        widget=UnfoldAdminTextareaWidget,
    )

    class Meta:
        model = Document
        fields = ("corpus", "external_id", "title", "kind", "metadata")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["text"] = _readable(self.instance)

    def clean_text(self) -> str:
        """Return the text with the line ends it had before the browser changed them."""
        text: str = self.cleaned_data["text"]
        return text.replace("\r\n", "\n")

    def clean_metadata(self) -> dict[str, Any]:
        """Return an object; filters ask for its keys."""
        metadata = self.cleaned_data["metadata"] or {}
        if not isinstance(metadata, dict):
            raise forms.ValidationError(_("Enter a JSON object."), code="invalid")
        return metadata

    def clean_file(self) -> "UploadedFile[bytes] | None":
        """Return the file when it is text and not too large."""
        file: UploadedFile[bytes] | None = self.cleaned_data["file"]
        if file is None:
            return None
        if (file.size or 0) > MAX_BYTES:
            raise forms.ValidationError(_("At most 25 MB."), code="payload_too_large")
        try:
            document_kind(
                file.read(),
                filename=file.name or "",
                media_type=file.content_type or "",
            )
        except DevoraError as error:
            raise forms.ValidationError(error.message, code=error.code) from None
        file.seek(0)
        return file

    def clean(self) -> dict[str, Any]:
        """Ask for a text or a file."""
        given = super().clean() or {}
        nothing = not given.get("text") and not given.get("file")
        if nothing and self.instance._state.adding and not self.errors:
            raise forms.ValidationError(_("Type a text or choose a file."), "required")
        return given

    def new_document(self) -> NewDocument:
        """Return what the form says; the identity of a saved document is fixed."""
        given, file = self.cleaned_data, self.cleaned_data["file"]
        return NewDocument(
            external_id=given.get("external_id") or self.instance.external_id,
            title=given["title"],
            metadata=given["metadata"],
            kind=None if file else given["kind"],
            content=file.read() if file else self._typed(),
            filename=file.name if file else "",
            media_type=file.content_type if file else "",
        )

    def _typed(self) -> bytes:
        text = self.cleaned_data["text"]
        if self.instance._state.adding or (text and text != self.initial["text"]):
            return str(text).encode()
        return bytes(self.instance.content)


def _readable(document: Document) -> str:
    """Return the text for the form; empty when it is too long for one."""
    content = b"" if document._state.adding else bytes(document.content)
    if not content.strip() or len(content) > _TYPED:
        return ""
    try:
        return parse(content).text
    except DevoraError:
        return ""
