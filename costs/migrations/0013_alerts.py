"""What a budget alerts at and whom, and the steps that were crossed."""

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

import costs.models


class Migration(migrations.Migration):
    dependencies = [
        ("costs", "0012_failed_attempts"),
    ]

    operations = [
        migrations.AddField(
            model_name="budget",
            name="alert_emails",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.EmailField(max_length=254),
                blank=True,
                db_default=[],
                default=list,
                help_text="Addresses; every Owner's if there are none.",
                size=50,
                verbose_name="alert to",
            ),
        ),
        migrations.AddField(
            model_name="budget",
            name="alert_forecast",
            field=models.BooleanField(
                db_default=True,
                default=True,
                help_text="As soon as the limit will not last until the period's end.",
                verbose_name="alert by forecast",
            ),
        ),
        migrations.AddField(
            model_name="budget",
            name="alert_slack",
            field=models.BooleanField(
                db_default=True, default=True, verbose_name="alert in Slack"
            ),
        ),
        migrations.AddField(
            model_name="budget",
            name="alert_steps",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.PositiveSmallIntegerField(
                    validators=[
                        django.core.validators.MinValueValidator(1),
                        django.core.validators.MaxValueValidator(1000),
                    ]
                ),
                blank=True,
                db_default=[50, 80, 100],
                default=costs.models.usual_alert_steps,
                help_text="Percentages of the limit, such as 50, 80, 100.",
                size=10,
                verbose_name="alert at (%)",
            ),
        ),
        migrations.AddField(
            model_name="budget",
            name="snoozed_until",
            field=models.DateTimeField(
                blank=True,
                help_text="What is crossed before is kept and told to nobody.",
                null=True,
                verbose_name="no alerts until",
            ),
        ),
        migrations.CreateModel(
            name="Alert",
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
                ("name", models.CharField(max_length=100, verbose_name="budget")),
                (
                    "kind",
                    models.CharField(
                        choices=[("actual", "Spent"), ("forecast", "Forecast")],
                        max_length=8,
                        verbose_name="kind",
                    ),
                ),
                ("step", models.PositiveSmallIntegerField(verbose_name="step (%)")),
                ("period_start", models.DateTimeField(verbose_name="period from")),
                (
                    "period_end",
                    models.DateTimeField(null=True, verbose_name="period to"),
                ),
                (
                    "limit_usd",
                    models.DecimalField(
                        decimal_places=9, max_digits=20, verbose_name="limit"
                    ),
                ),
                (
                    "spent_usd",
                    models.DecimalField(
                        decimal_places=9, max_digits=20, verbose_name="spent"
                    ),
                ),
                (
                    "projected_usd",
                    models.DecimalField(
                        decimal_places=9,
                        max_digits=20,
                        null=True,
                        verbose_name="forecast",
                    ),
                ),
                ("crossed_at", models.DateTimeField(verbose_name="time")),
                (
                    "budget",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="alerts",
                        to="costs.budget",
                        verbose_name="budget",
                    ),
                ),
            ],
            options={
                "verbose_name": "alert",
                "verbose_name_plural": "alerts",
                "ordering": ["-id"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("budget", "period_start", "kind", "step", "limit_usd"),
                        name="costs_alert_once",
                    )
                ],
            },
        ),
    ]
