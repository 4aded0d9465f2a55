"""The retrieval floor: corpora, chunks, embeddings, search."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RagConfig(AppConfig):
    """Owns what retrieval searches."""

    name = "rag"
    verbose_name = _("Retrieval")
    default_auto_field = "django.db.models.BigAutoField"
