"""The trigger function behind the data plane's snapshots."""

from django.db import migrations

FUNCTION = """
CREATE FUNCTION devora_notify_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('devora_changed', TG_TABLE_NAME);
    RETURN NULL;
END $$;

CREATE TRIGGER devora_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE
    ON ops_team FOR EACH STATEMENT EXECUTE FUNCTION devora_notify_changed();
"""

UNDO = """
DROP TRIGGER devora_changed ON ops_team;
DROP FUNCTION devora_notify_changed();
"""


class Migration(migrations.Migration):
    dependencies = [("ops", "0001_people_teams_and_records")]
    operations = [migrations.RunSQL(FUNCTION, UNDO)]
