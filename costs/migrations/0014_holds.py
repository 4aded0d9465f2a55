"""Holds are listed; their table stays the ledger's own."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("costs", "0013_alerts")]
    operations = [
        migrations.CreateModel(
            name="Hold",
            fields=[
                (
                    "attempt_id",
                    models.UUIDField(
                        primary_key=True, serialize=False, verbose_name="attempt"
                    ),
                ),
                ("call_id", models.UUIDField(verbose_name="call")),
                ("owner", models.UUIDField(verbose_name="process")),
                ("created_at", models.DateTimeField(verbose_name="since")),
                (
                    "amount",
                    models.DecimalField(
                        decimal_places=9, max_digits=20, verbose_name="set aside"
                    ),
                ),
                (
                    "counters",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField()
                    ),
                ),
                ("facts", models.JSONField()),
            ],
            options={
                "verbose_name": "hold",
                "verbose_name_plural": "holds",
                "db_table": "costs_hold",
                "ordering": ["created_at", "attempt_id"],
                "managed": False,
            },
        ),
    ]
