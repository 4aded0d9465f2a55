"""A message that can never be delivered is set aside, and is seen."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ops", "0005_names_of_lists")]
    operations = [
        migrations.AddField(
            "outboxmessage", "given_up_at", models.DateTimeField(null=True)
        ),
        migrations.RemoveIndex("outboxmessage", "ops_outbox_open"),
        migrations.AddIndex(
            "outboxmessage",
            models.Index(
                fields=["id"],
                condition=models.Q(done_at__isnull=True, given_up_at__isnull=True),
                name="ops_outbox_waiting",
            ),
        ),
    ]
