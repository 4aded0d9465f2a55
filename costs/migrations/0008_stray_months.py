"""A month that is made late takes its rows along.

While nobody makes partitions, the default ones take the rows, and a partition whose
rows lie there already could not be made any more: from then on everything went there.
"""

from django.db import migrations

KEEP_PARTITIONS = """
CREATE OR REPLACE FUNCTION ops_keep_partitions(
    parent text, since timestamptz, until timestamptz
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_month timestamptz := date_trunc('month', since, 'UTC');
    v_next timestamptz;
    v_name text;
    v_default text := parent || '_default';
    v_key text;
    v_first uuid;
    v_end uuid;
BEGIN
    SELECT attname INTO STRICT v_key
    FROM pg_partitioned_table AS p
    JOIN pg_attribute ON attrelid = partrelid AND attnum = partattrs[0]
    WHERE partrelid = parent::regclass;
    WHILE v_month <= until LOOP
        v_next := date_trunc('month', v_month + interval '32 days', 'UTC');
        v_name := parent || to_char(v_month AT TIME ZONE 'UTC', '_YYYY_MM');
        IF to_regclass(v_name) IS NULL THEN
            v_first := ops_first_uuid7_at(v_month);
            v_end := ops_first_uuid7_at(v_next);
            EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', v_name, parent);
            EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', v_default);
            EXECUTE format(
                'WITH strays AS (DELETE FROM %1$I WHERE %2$I >= %3$L AND %2$I < %4$L '
                'RETURNING *) INSERT INTO %5$I SELECT * FROM strays',
                v_default, v_key, v_first, v_end, v_name
            );
            EXECUTE format(
                'ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                parent, v_name, v_first, v_end
            );
        END IF;
        v_month := v_next;
    END LOOP;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("costs", "0007_names_of_lists")]
    operations = [migrations.RunSQL(KEEP_PARTITIONS, migrations.RunSQL.noop)]
