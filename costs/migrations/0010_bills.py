"""What the price book says of an attempt whose provider told what it cost."""

from django.db import migrations, models

ADD = "ALTER TABLE costs_attempt ADD COLUMN book_usd numeric(20, 9);"
DROP = "ALTER TABLE costs_attempt DROP COLUMN book_usd;"


class Migration(migrations.Migration):
    dependencies = [("costs", "0009_anomalies")]
    operations = [
        migrations.RunSQL(
            ADD,
            DROP,
            state_operations=[
                migrations.AddField(
                    "attempt",
                    "book_usd",
                    models.DecimalField(decimal_places=9, max_digits=20, null=True),
                )
            ],
        )
    ]
