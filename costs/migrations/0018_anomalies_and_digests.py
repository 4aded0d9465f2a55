"""Hours that are unusual, who is not told of them, and who wants digests."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("costs", "0017_adjustments"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="AlertMute",
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
                    "agent",
                    models.TextField(
                        blank=True, default="", unique=True, verbose_name="agent"
                    ),
                ),
                ("until", models.DateTimeField(verbose_name="no alerts until")),
            ],
            options={
                "verbose_name": "muted alerts",
                "verbose_name_plural": "muted alerts",
            },
        ),
        migrations.CreateModel(
            name="Digest",
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
                    "every",
                    models.CharField(
                        choices=[("day", "Every day"), ("week", "Every week")],
                        max_length=4,
                        verbose_name="how often",
                    ),
                ),
                ("since", models.DateTimeField()),
            ],
            options={
                "verbose_name": "digest",
                "verbose_name_plural": "digests",
            },
        ),
        migrations.AddField(
            model_name="alert",
            name="agent",
            field=models.TextField(
                blank=True, db_default="", default="", verbose_name="agent"
            ),
        ),
        migrations.AddField(
            model_name="alert",
            name="usual_usd",
            field=models.DecimalField(
                decimal_places=9, max_digits=20, null=True, verbose_name="usually"
            ),
        ),
        migrations.AlterField(
            model_name="alert",
            name="kind",
            field=models.CharField(
                choices=[
                    ("actual", "Spent"),
                    ("forecast", "Forecast"),
                    ("anomaly", "Unusual"),
                ],
                max_length=8,
                verbose_name="kind",
            ),
        ),
        migrations.AlterField(
            model_name="alert",
            name="name",
            field=models.CharField(blank=True, max_length=100, verbose_name="about"),
        ),
        migrations.AddConstraint(
            model_name="alert",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind", "anomaly")),
                fields=("agent", "period_start"),
                name="costs_alert_anomaly_once",
            ),
        ),
        migrations.AddField(
            model_name="digest",
            name="user",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL
            ),
        ),
    ]
