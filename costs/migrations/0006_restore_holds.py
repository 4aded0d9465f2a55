"""Holds that a crash of Postgres lost, made again by the process that had them."""

from django.db import migrations

RESTORE = """
CREATE FUNCTION costs_restore(
    p_owner uuid, p_attempts uuid[], p_calls uuid[], p_amounts numeric[],
    p_counters text[], p_facts text[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_row record;
BEGIN
    FOR v_row IN
        WITH made AS (
            INSERT INTO costs_hold (attempt_id, call_id, owner, amount, counters, facts)
            SELECT u.a, u.c, p_owner, u.m, u.list::bigint[], u.f::jsonb
            FROM unnest(p_attempts, p_calls, p_amounts, p_counters, p_facts)
                AS u(a, c, m, list, f)
            -- What somebody has settled meanwhile is over.
            WHERE NOT EXISTS (SELECT 1 FROM costs_attempt WHERE id = u.a)
            ON CONFLICT DO NOTHING
            RETURNING amount, counters
        )
        SELECT k.id, sum(m.amount) AS held
        FROM made AS m CROSS JOIN unnest(m.counters) AS counter
        JOIN costs_counter AS k ON k.id = counter
        GROUP BY k.id, k.budget_id, k.period_start
        ORDER BY k.budget_id, k.period_start
    LOOP
        UPDATE costs_counter SET held = held + v_row.held WHERE id = v_row.id;
    END LOOP;
END $$;
"""
UNDO = "DROP FUNCTION costs_restore(uuid, uuid[], uuid[], numeric[], text[], text[]);"


class Migration(migrations.Migration):
    dependencies = [("costs", "0005_routes_of_attempts")]
    operations = [migrations.RunSQL(RESTORE, UNDO)]
