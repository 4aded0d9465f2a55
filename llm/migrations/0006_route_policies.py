"""Deadlines and retries of routes, and how many calls a provider may have at once."""

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("llm", "0005_routing"),
    ]

    operations = [
        migrations.AddField(
            model_name="provider",
            name="bulkhead_size",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="From one web process; 1000 when empty. What is more is refused at once, so that a slow provider holds up nobody else.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(10000),
                ],
                verbose_name="calls at once",
            ),
        ),
        migrations.AddField(
            model_name="route",
            name="allow_duplicates",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Ask again also when the provider may have worked already: after a broken connection, a time-out, a 502 or a 504. A call may then be paid for twice.",
                verbose_name="allow duplicates",
            ),
        ),
        migrations.AddField(
            model_name="route",
            name="between_chunks_s",
            field=models.FloatField(
                blank=True,
                help_text="From one piece of a stream to the next; 120 when empty.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(0.1),
                    django.core.validators.MaxValueValidator(600.0),
                ],
                verbose_name="between chunks (s)",
            ),
        ),
        migrations.AddField(
            model_name="route",
            name="connect_s",
            field=models.FloatField(
                blank=True,
                help_text="Until the connection stands; 5 when empty.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(0.1),
                    django.core.validators.MaxValueValidator(600.0),
                ],
                verbose_name="connect (s)",
            ),
        ),
        migrations.AddField(
            model_name="route",
            name="first_byte_s",
            field=models.FloatField(
                blank=True,
                help_text="Until a stream begins; 60 when empty. Other answers have the total alone.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(0.1),
                    django.core.validators.MaxValueValidator(600.0),
                ],
                verbose_name="first byte (s)",
            ),
        ),
        migrations.AddField(
            model_name="route",
            name="max_attempts",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="Of a call, over all targets; 3 when empty, and at most.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(3),
                ],
                verbose_name="attempts",
            ),
        ),
        migrations.AddField(
            model_name="route",
            name="total_s",
            field=models.FloatField(
                blank=True,
                help_text="Of one try; 600 when empty, and at most.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(0.1),
                    django.core.validators.MaxValueValidator(600.0),
                ],
                verbose_name="total (s)",
            ),
        ),
        migrations.AddConstraint(
            model_name="provider",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("bulkhead_size__isnull", True),
                    ("bulkhead_size__range", (1, 10000)),
                    _connector="OR",
                ),
                name="llm_provider_bulkhead",
            ),
        ),
        migrations.AddConstraint(
            model_name="route",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("connect_s__isnull", True),
                        ("connect_s__range", (0.1, 600.0)),
                        _connector="OR",
                    ),
                    models.Q(
                        ("first_byte_s__isnull", True),
                        ("first_byte_s__range", (0.1, 600.0)),
                        _connector="OR",
                    ),
                    models.Q(
                        ("between_chunks_s__isnull", True),
                        ("between_chunks_s__range", (0.1, 600.0)),
                        _connector="OR",
                    ),
                    models.Q(
                        ("total_s__isnull", True),
                        ("total_s__range", (0.1, 600.0)),
                        _connector="OR",
                    ),
                ),
                name="llm_route_deadlines",
            ),
        ),
        migrations.AddConstraint(
            model_name="route",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("max_attempts__isnull", True),
                    ("max_attempts__range", (1, 3)),
                    _connector="OR",
                ),
                name="llm_route_attempts",
            ),
        ),
    ]
