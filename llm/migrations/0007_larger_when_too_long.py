"""Whether a route asks a larger model when a request is too long for one."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("llm", "0006_route_policies"),
    ]

    operations = [
        migrations.AddField(
            model_name="route",
            name="larger_when_too_long",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="When a provider says that a request is too long, ask the next model whose context window is declared larger. It may cost more.",
                verbose_name="go to a larger model",
            ),
        ),
    ]
