"""What is known of the targets' health, shared by all processes and shown to people."""

from django.db import migrations, models
from django.utils import timezone

TRIGGER = (
    "CREATE TRIGGER devora_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE "
    "ON llm_breaker FOR EACH STATEMENT EXECUTE FUNCTION devora_notify_changed();"
)


class Migration(migrations.Migration):
    dependencies = [("llm", "0002_content_and_changes")]
    operations = [
        migrations.CreateModel(
            name="Breaker",
            fields=[
                (
                    "target",
                    models.CharField(
                        max_length=265,
                        primary_key=True,
                        serialize=False,
                        verbose_name="target",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("closed", "Closed"), ("open", "Open")],
                        default="closed",
                        editable=False,
                        max_length=8,
                        verbose_name="state",
                    ),
                ),
                (
                    "forced",
                    models.CharField(
                        blank=True,
                        choices=[("closed", "Closed"), ("open", "Open")],
                        max_length=8,
                        verbose_name="forced",
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        blank=True,
                        editable=False,
                        max_length=100,
                        verbose_name="reason",
                    ),
                ),
                (
                    "changed_at",
                    models.DateTimeField(
                        default=timezone.now, editable=False, verbose_name="changed"
                    ),
                ),
                ("changed_by", models.UUIDField(editable=False, null=True)),
            ],
            options={
                "verbose_name": "circuit breaker",
                "verbose_name_plural": "circuit breakers",
                "ordering": ["-changed_at"],
            },
        ),
        migrations.RunSQL(TRIGGER, "DROP TRIGGER devora_changed ON llm_breaker;"),
    ]
