"""Corpora, documents, chunks, and the vector extension they need."""

import django.contrib.postgres.indexes
import django.db.models.deletion
import pgvector.django.halfvec
from django.db import migrations, models
from pgvector.django import VectorExtension

import devora_ops.common.ids

TRIGGER = """
CREATE TRIGGER devora_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE
    ON rag_corpus FOR EACH STATEMENT EXECUTE FUNCTION devora_notify_changed();
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = [("ops", "0002_changes")]

    operations = [
        VectorExtension(),
        migrations.CreateModel(
            name="Corpus",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "slug",
                    models.SlugField(max_length=64, unique=True, verbose_name="slug"),
                ),
                ("name", models.CharField(max_length=100, verbose_name="name")),
                (
                    "language",
                    models.CharField(
                        choices=[
                            ("en", "English"),
                            ("fr", "French"),
                            ("simple", "Other"),
                        ],
                        default="en",
                        max_length=8,
                        verbose_name="language",
                    ),
                ),
                (
                    "embedder",
                    models.CharField(
                        default="local/all-minilm-l6-v2",
                        max_length=128,
                        verbose_name="embedder",
                    ),
                ),
                (
                    "dimension",
                    models.PositiveSmallIntegerField(
                        editable=False, verbose_name="dimension"
                    ),
                ),
                (
                    "store",
                    models.CharField(
                        choices=[
                            ("pgvector", "pgvector"),
                            ("memory", "In memory, exact"),
                        ],
                        default="pgvector",
                        max_length=16,
                        verbose_name="store",
                    ),
                ),
                ("revision", models.BigIntegerField(default=0, editable=False)),
                (
                    "created_at",
                    models.DateTimeField(auto_now_add=True, verbose_name="created"),
                ),
            ],
            options={
                "verbose_name": "corpus",
                "verbose_name_plural": "corpora",
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="Document",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=devora_ops.common.ids.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "external_id",
                    models.CharField(max_length=200, verbose_name="external id"),
                ),
                (
                    "title",
                    models.CharField(blank=True, max_length=300, verbose_name="title"),
                ),
                (
                    "metadata",
                    models.JSONField(blank=True, default=dict, verbose_name="metadata"),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("text", "Text"), ("markdown", "Markdown")],
                        default="text",
                        max_length=8,
                        verbose_name="kind",
                    ),
                ),
                ("content", models.BinaryField()),
                ("sha256", models.BinaryField(max_length=32)),
                (
                    "encoding",
                    models.CharField(
                        blank=True,
                        editable=False,
                        max_length=16,
                        verbose_name="encoding",
                    ),
                ),
                ("revision", models.PositiveIntegerField(default=1, editable=False)),
                (
                    "served_revision",
                    models.PositiveIntegerField(editable=False, null=True),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("processing", "Processing"),
                            ("ready", "Ready"),
                            ("failed", "Failed"),
                        ],
                        default="queued",
                        editable=False,
                        max_length=10,
                        verbose_name="status",
                    ),
                ),
                (
                    "error_code",
                    models.CharField(blank=True, editable=False, max_length=64),
                ),
                (
                    "error",
                    models.TextField(blank=True, editable=False, verbose_name="error"),
                ),
                (
                    "attempts",
                    models.PositiveSmallIntegerField(
                        default=0, editable=False, verbose_name="attempts"
                    ),
                ),
                (
                    "queued_at",
                    models.DateTimeField(auto_now_add=True, verbose_name="queued"),
                ),
                ("claim", models.UUIDField(editable=False, null=True)),
                ("claimed_at", models.DateTimeField(editable=False, null=True)),
                (
                    "created_at",
                    models.DateTimeField(auto_now_add=True, verbose_name="created"),
                ),
                (
                    "corpus",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="documents",
                        to="rag.corpus",
                        verbose_name="corpus",
                    ),
                ),
            ],
            options={
                "verbose_name": "document",
                "verbose_name_plural": "documents",
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="Chunk",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("revision", models.PositiveIntegerField()),
                ("position", models.PositiveIntegerField()),
                ("heading", models.CharField(blank=True, max_length=200)),
                ("text", models.TextField()),
                ("token_count", models.PositiveIntegerField()),
                ("start_char", models.PositiveIntegerField()),
                ("end_char", models.PositiveIntegerField()),
                ("embedding", pgvector.django.halfvec.HalfVectorField(null=True)),
                (
                    "corpus",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="chunks",
                        to="rag.corpus",
                    ),
                ),
                (
                    "document",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="chunks",
                        to="rag.document",
                    ),
                ),
            ],
            options={
                "verbose_name": "chunk",
                "verbose_name_plural": "chunks",
                "ordering": ["document", "revision", "position"],
            },
        ),
        migrations.AddIndex(
            model_name="document",
            index=models.Index(fields=["corpus", "status"], name="rag_document_status"),
        ),
        migrations.AddIndex(
            model_name="document",
            index=models.Index(
                condition=models.Q(("status__in", ["queued", "processing"])),
                fields=["queued_at"],
                name="rag_document_open",
            ),
        ),
        migrations.AddIndex(
            model_name="document",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["metadata"],
                name="rag_document_metadata",
                opclasses=["jsonb_path_ops"],
            ),
        ),
        migrations.AddConstraint(
            model_name="document",
            constraint=models.UniqueConstraint(
                fields=("corpus", "external_id"),
                name="rag_document_external_id_unique",
                violation_error_message="The corpus has a document of this id.",
            ),
        ),
        migrations.AddConstraint(
            model_name="chunk",
            constraint=models.UniqueConstraint(
                fields=("document", "revision", "position"),
                name="rag_chunk_position_unique",
            ),
        ),
        migrations.RunSQL(TRIGGER, "DROP TRIGGER devora_changed ON rag_corpus"),
    ]
