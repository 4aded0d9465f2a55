"""A refusal names the budget with the least room: what fits there fits everywhere."""

from django.db import migrations

RESERVE_SINGLY = """
CREATE OR REPLACE FUNCTION costs_reserve_singly(
    p_owner uuid, p_attempts uuid[], p_calls uuid[], p_amounts numeric[],
    p_budgets text[], p_facts text[]
) RETURNS TABLE (attempt uuid, charged_to bigint[], refused_by bigint, room numeric)
LANGUAGE plpgsql AS $$
DECLARE
    v_ids bigint[];
    v_counters bigint[];
    v_rooms numeric[];   -- what is left of each; NULL where nothing limits
    v_taken numeric[];
    v_row record;
    v_mine int[];        -- places of this attempt's budgets
    v_place int;
BEGIN
    -- A period begins with its first attempt; no job has to make its counter.
    INSERT INTO costs_counter (budget_id, period_start, period_end)
    SELECT g.id, costs_period_start(g.period, g.time_zone, now()),
           costs_period_end(g.period, g.time_zone, now())
    FROM costs_budget AS g
    WHERE g.id IN (SELECT unnest(list::bigint[]) FROM unnest(p_budgets) AS list)
    ORDER BY g.id
    ON CONFLICT DO NOTHING;

    SELECT array_agg(l.budget_id), array_agg(l.id), array_agg(l.room), array_agg(0.0)
    INTO v_ids, v_counters, v_rooms, v_taken
    FROM (
        SELECT c.budget_id, c.id,
               CASE WHEN g.hard THEN g.limit_usd - c.spent - c.held END AS room
        FROM costs_counter AS c JOIN costs_budget AS g ON g.id = c.budget_id
        WHERE g.id IN (SELECT unnest(list::bigint[]) FROM unnest(p_budgets) AS list)
          AND c.period_start = costs_period_start(g.period, g.time_zone, now())
        ORDER BY c.budget_id FOR UPDATE OF c
    ) AS l;

    FOR v_row IN
        SELECT * FROM unnest(p_attempts, p_calls, p_amounts, p_budgets, p_facts)
            AS u(a, c, m, list, f)
    LOOP
        attempt := v_row.a;
        refused_by := NULL;
        room := NULL;
        -- A budget that was deleted a moment ago has no place and limits nothing.
        v_mine := ARRAY(
            SELECT array_position(v_ids, b) FROM unnest(v_row.list::bigint[]) AS b
            WHERE b = ANY (v_ids));
        charged_to := ARRAY(SELECT v_counters[p] FROM unnest(v_mine) AS p);
        FOREACH v_place IN ARRAY v_mine LOOP
            -- What fits into the tightest fits into all.
            IF v_rooms[v_place] < v_row.m
                AND (refused_by IS NULL OR v_rooms[v_place] < room)
            THEN
                refused_by := v_ids[v_place];
                room := v_rooms[v_place];
            END IF;
        END LOOP;
        IF refused_by IS NULL THEN
            FOREACH v_place IN ARRAY v_mine LOOP
                v_rooms[v_place] := v_rooms[v_place] - v_row.m;
                v_taken[v_place] := v_taken[v_place] + v_row.m;
            END LOOP;
            INSERT INTO costs_hold (attempt_id, call_id, owner, amount, counters, facts)
            VALUES (v_row.a, v_row.c, p_owner, v_row.m, charged_to, v_row.f::jsonb);
        END IF;
        RETURN NEXT;
    END LOOP;

    FOR i IN 1 .. coalesce(cardinality(v_counters), 0) LOOP
        UPDATE costs_counter SET held = held + v_taken[i]
        WHERE id = v_counters[i] AND v_taken[i] > 0;
    END LOOP;
END $$;
"""

# As it was: the first that has no room.
FIRST = RESERVE_SINGLY.replace(
    """                AND (refused_by IS NULL OR v_rooms[v_place] < room)
""",
    "                AND refused_by IS NULL\n",
)


class Migration(migrations.Migration):
    dependencies = [("costs", "0018_anomalies_and_digests")]
    operations = [migrations.RunSQL(RESERVE_SINGLY, FIRST)]
