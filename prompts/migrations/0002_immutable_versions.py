"""Versions that nobody can change, labels that cannot stray, and the snapshots' triggers."""

from django.db import migrations

FOREIGN_KEYS = """
ALTER TABLE prompts_promptversion
    ADD CONSTRAINT prompts_version_prompt FOREIGN KEY (prompt_id)
        REFERENCES prompts_prompt (id) ON DELETE CASCADE,
    ADD CONSTRAINT prompts_version_with_prompt UNIQUE (prompt_id, id);
ALTER TABLE prompts_label
    ADD CONSTRAINT prompts_label_prompt FOREIGN KEY (prompt_id)
        REFERENCES prompts_prompt (id) ON DELETE CASCADE,
    ADD CONSTRAINT prompts_label_same_prompt FOREIGN KEY (prompt_id, version_id)
        REFERENCES prompts_promptversion (prompt_id, id) ON DELETE CASCADE;
"""

# A cascade runs inside the foreign key's own trigger, so it is one level deeper than
# a DELETE that names the version itself.
IMMUTABLE = """
CREATE FUNCTION prompts_keep_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND pg_trigger_depth() > 1 THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'version % of a prompt is immutable', OLD.number
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER prompts_keep_version BEFORE UPDATE OR DELETE
    ON prompts_promptversion FOR EACH ROW EXECUTE FUNCTION prompts_keep_version();
"""

TABLES = ("prompts_prompt", "prompts_promptversion", "prompts_label")

CHANGED = "".join(
    f"CREATE TRIGGER devora_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE "
    f"ON {table} FOR EACH STATEMENT EXECUTE FUNCTION devora_notify_changed();\n"
    for table in TABLES
)

UNDO = "".join(f"DROP TRIGGER devora_changed ON {table};\n" for table in TABLES) + (
    """
DROP TRIGGER prompts_keep_version ON prompts_promptversion;
DROP FUNCTION prompts_keep_version();
ALTER TABLE prompts_label
    DROP CONSTRAINT prompts_label_same_prompt, DROP CONSTRAINT prompts_label_prompt;
ALTER TABLE prompts_promptversion
    DROP CONSTRAINT prompts_version_with_prompt, DROP CONSTRAINT prompts_version_prompt;
"""
)


class Migration(migrations.Migration):
    dependencies = [
        ("prompts", "0001_prompts_versions_labels"),
        ("ops", "0002_changes"),
    ]
    operations = [migrations.RunSQL(FOREIGN_KEYS + IMMUTABLE + CHANGED, UNDO)]
