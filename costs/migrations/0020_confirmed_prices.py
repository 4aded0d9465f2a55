"""Prices that an import found unchanged are known to be true since then."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("costs", "0019_tightest_budget")]
    operations = [
        migrations.AddField(
            model_name="price",
            name="confirmed_at",
            field=models.DateTimeField(
                editable=False, null=True, verbose_name="confirmed"
            ),
        )
    ]
