"""Which route led to an attempt, and how likely its strategy was to choose it."""

from django.db import migrations, models

ADD = """
ALTER TABLE costs_attempt
    ADD COLUMN route text NOT NULL DEFAULT '',
    ADD COLUMN probability real;
"""
DROP = "ALTER TABLE costs_attempt DROP COLUMN route, DROP COLUMN probability;"


class Migration(migrations.Migration):
    dependencies = [("costs", "0004_price_table")]
    operations = [
        migrations.RunSQL(
            ADD,
            DROP,
            state_operations=[
                migrations.AddField(
                    "attempt", "route", models.TextField(blank=True, default="")
                ),
                migrations.AddField(
                    "attempt", "probability", models.FloatField(null=True)
                ),
            ],
        )
    ]
