"""How many attempts their providers failed, whoever served the call in the end."""

from django.db import migrations

_TABLES = ("costs_rollup_work", "costs_rollup_minute", "costs_rollup_who")
ADD = "".join(
    f"ALTER TABLE {table} ADD COLUMN failed bigint NOT NULL DEFAULT 0;"
    for table in _TABLES
)
DROP = "".join(f"ALTER TABLE {table} DROP COLUMN failed;" for table in _TABLES)


class Migration(migrations.Migration):
    dependencies = [("costs", "0011_scores")]
    operations = [migrations.RunSQL(ADD, DROP)]
