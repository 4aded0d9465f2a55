"""What a budget does to calls before its limit is reached."""

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("costs", "0014_holds"),
    ]

    operations = [
        migrations.AddField(
            model_name="budget",
            name="cache_only_at",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="From this percentage on, only cached answers are given.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(1000),
                ],
                verbose_name="cache only at (%)",
            ),
        ),
        migrations.AddField(
            model_name="budget",
            name="route_down_at",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="From this percentage of the limit on, calls go to a cheaper one.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(1000),
                ],
                verbose_name="route down at (%)",
            ),
        ),
        migrations.AddField(
            model_name="budget",
            name="route_down_to",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="A route, or a model as provider/name.",
                max_length=300,
                verbose_name="route down to",
            ),
        ),
    ]
