"""What does not add up in a usage that a provider told, on its attempt and its call."""

from django.db import migrations, models

# A constant default rewrites no table: the lock lasts for a moment.
ADD = """
ALTER TABLE costs_attempt ADD COLUMN anomaly text NOT NULL DEFAULT '';
ALTER TABLE costs_call ADD COLUMN anomaly text NOT NULL DEFAULT '';
"""
DROP = """
ALTER TABLE costs_call DROP COLUMN anomaly;
ALTER TABLE costs_attempt DROP COLUMN anomaly;
"""


class Migration(migrations.Migration):
    dependencies = [("costs", "0008_stray_months")]
    operations = [
        migrations.RunSQL(
            ADD,
            DROP,
            state_operations=[
                migrations.AddField(
                    name, "anomaly", models.TextField(blank=True, default="")
                )
                for name in ("attempt", "call")
            ],
        )
    ]
