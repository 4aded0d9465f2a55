"""Steps that were crossed at once are told in one message."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("costs", "0021_fingerprints")]
    operations = [
        migrations.AddField(
            model_name="alert",
            name="told_with",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="lower",
                to="costs.alert",
                verbose_name="told with",
            ),
        ),
    ]
