"""Which calls asked for the same: eight bytes of what the cache would know them by."""

from django.db import migrations, models

ADD = "ALTER TABLE costs_call ADD COLUMN fingerprint bigint;"
DROP = "ALTER TABLE costs_call DROP COLUMN fingerprint;"


class Migration(migrations.Migration):
    dependencies = [("costs", "0020_confirmed_prices")]
    operations = [
        migrations.RunSQL(
            ADD,
            DROP,
            state_operations=[
                migrations.AddField(
                    "call", "fingerprint", models.BigIntegerField(null=True)
                ),
            ],
        )
    ]
