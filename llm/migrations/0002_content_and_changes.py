"""The table of bodies, partitioned by month, and the triggers of the snapshots."""

from django.db import migrations

CONTENT = """
CREATE TABLE llm_content (
    call_id uuid PRIMARY KEY,
    request text NOT NULL,
    response text NOT NULL
) PARTITION BY RANGE (call_id);
CREATE TABLE llm_content_default PARTITION OF llm_content DEFAULT;
SELECT ops_keep_partitions('llm_content', now(), now() + interval '40 days');
"""

TABLES = (
    "llm_agent",
    "llm_apikey",
    "llm_provider",
    "llm_model",
    "llm_route",
    "llm_routetarget",
)

TRIGGERS = "".join(
    f"CREATE TRIGGER devora_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE "
    f"ON {table} FOR EACH STATEMENT EXECUTE FUNCTION devora_notify_changed();\n"
    for table in TABLES
)

UNDO = "DROP TABLE llm_content;\n" + "".join(
    f"DROP TRIGGER devora_changed ON {table};\n" for table in TABLES
)


class Migration(migrations.Migration):
    dependencies = [
        ("llm", "0001_agents_keys_providers_routes"),
        ("costs", "0002_ledger"),
    ]
    operations = [migrations.RunSQL(CONTENT + TRIGGERS, UNDO)]
