"""The triggers of the snapshot of running experiments."""

from django.db import migrations

TABLES = ("experiments_experiment", "experiments_variant")

CHANGED = "".join(
    f"CREATE TRIGGER devora_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE "
    f"ON {table} FOR EACH STATEMENT EXECUTE FUNCTION devora_notify_changed();\n"
    for table in TABLES
)

UNDO = "".join(f"DROP TRIGGER devora_changed ON {table};\n" for table in TABLES)


class Migration(migrations.Migration):
    dependencies = [
        ("experiments", "0001_experiments_and_outcomes"),
        ("ops", "0002_changes"),
    ]
    operations = [migrations.RunSQL(CHANGED, UNDO)]
