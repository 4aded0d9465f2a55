"""Check-and-reserve in one statement, and the statement that gives money back."""

from django.db import migrations

PERIODS = """
CREATE FUNCTION costs_period_start(period text, time_zone text, moment timestamptz)
RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN period = 'total' THEN 'epoch'::timestamptz
           ELSE date_trunc(period, moment, time_zone) END
$$;

CREATE FUNCTION costs_period_end(period text, time_zone text, moment timestamptz)
RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN period = 'total' THEN NULL
           ELSE (date_trunc(period, moment AT TIME ZONE time_zone)
                 + CASE period WHEN 'day' THEN interval '1 day'
                               WHEN 'week' THEN interval '1 week'
                               WHEN 'month' THEN interval '1 month'
                               ELSE interval '3 months' END) AT TIME ZONE time_zone END
$$;
"""

# Counters are written in the order of (budget, period), here and in costs_release, so
# that two batches can never wait for each other.
# p_budgets: for each attempt the ids of the budgets that it falls under, as '{1,2}'.
RESERVE = """
CREATE FUNCTION costs_reserve(
    p_owner uuid, p_attempts uuid[], p_calls uuid[], p_amounts numeric[],
    p_budgets text[], p_facts text[]
) RETURNS TABLE (attempt uuid, charged_to bigint[], refused_by bigint, room numeric)
LANGUAGE plpgsql AS $$
DECLARE
    v_ids bigint[] := '{}';       -- budgets, in order
    v_counters bigint[] := '{}';  -- their counters of this period
    v_taken numeric[] := '{}';
    v_row record;
    v_counter bigint;
BEGIN
    FOR v_row IN
        SELECT b, sum(amount) AS amount
        FROM unnest(p_budgets, p_amounts) AS u(list, amount), unnest(list::bigint[]) AS b
        GROUP BY b ORDER BY b
    LOOP
        UPDATE costs_counter AS c SET held = c.held + v_row.amount
        FROM costs_budget AS g
        WHERE g.id = v_row.b AND c.budget_id = g.id
          AND c.period_start = costs_period_start(g.period, g.time_zone, now())
          AND (NOT g.hard OR c.spent + c.held + v_row.amount <= g.limit_usd)
        RETURNING c.id INTO v_counter;
        IF NOT FOUND THEN
            -- The batch as a whole does not fit (or a period begins): give back what
            -- was taken and decide attempt by attempt.
            FOR i IN 1 .. cardinality(v_counters) LOOP
                UPDATE costs_counter SET held = held - v_taken[i]
                WHERE id = v_counters[i];
            END LOOP;
            RETURN QUERY SELECT * FROM costs_reserve_singly(
                p_owner, p_attempts, p_calls, p_amounts, p_budgets, p_facts);
            RETURN;
        END IF;
        v_ids := v_ids || v_row.b;
        v_counters := v_counters || v_counter;
        v_taken := v_taken || v_row.amount;
    END LOOP;

    RETURN QUERY
    INSERT INTO costs_hold (attempt_id, call_id, owner, amount, counters, facts)
    SELECT u.a, u.c, p_owner, u.m,
           ARRAY(SELECT v_counters[array_position(v_ids, b)]
                 FROM unnest(u.list::bigint[]) AS b),
           u.f::jsonb
    FROM unnest(p_attempts, p_calls, p_amounts, p_budgets, p_facts) AS u(a, c, m, list, f)
    RETURNING attempt_id, counters, NULL::bigint, NULL::numeric;
END $$;

CREATE FUNCTION costs_reserve_singly(
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
            IF v_rooms[v_place] < v_row.m THEN
                refused_by := v_ids[v_place];
                room := v_rooms[v_place];
                EXIT;
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

# Ends holds and charges what the attempts came to. A hold is freed by its own row, a
# charge by the attempt's, so each happens once whoever else tries.
RELEASE = """
CREATE FUNCTION costs_release(
    p_attempts uuid[], p_counters bigint[], p_charges numeric[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_row record;
BEGIN
    FOR v_row IN
        WITH gone AS (
            DELETE FROM costs_hold WHERE attempt_id = ANY (p_attempts)
            RETURNING amount, counters
        ), moves AS (
            SELECT unnest(counters) AS counter, amount AS freed, 0.0 AS charged FROM gone
            UNION ALL
            SELECT counter, 0.0, charge
            FROM unnest(p_counters, p_charges) AS s(counter, charge)
        )
        SELECT m.counter, sum(m.freed) AS freed, sum(m.charged) AS charged
        FROM moves AS m JOIN costs_counter AS c ON c.id = m.counter
        GROUP BY m.counter, c.budget_id, c.period_start
        ORDER BY c.budget_id, c.period_start
    LOOP
        UPDATE costs_counter
        SET held = held - v_row.freed, spent = spent + v_row.charged
        WHERE id = v_row.counter;
    END LOOP;
END $$;
"""

CHANGES = """
CREATE TRIGGER devora_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE
    ON costs_budget FOR EACH STATEMENT EXECUTE FUNCTION devora_notify_changed();
CREATE TRIGGER devora_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE
    ON costs_price FOR EACH STATEMENT EXECUTE FUNCTION devora_notify_changed();
"""

UNDO = """
DROP TRIGGER devora_changed ON costs_price;
DROP TRIGGER devora_changed ON costs_budget;
DROP FUNCTION costs_release(uuid[], bigint[], numeric[]);
DROP FUNCTION costs_reserve_singly(uuid, uuid[], uuid[], numeric[], text[], text[]);
DROP FUNCTION costs_reserve(uuid, uuid[], uuid[], numeric[], text[], text[]);
DROP FUNCTION costs_period_end(text, text, timestamptz);
DROP FUNCTION costs_period_start(text, text, timestamptz);
"""


class Migration(migrations.Migration):
    dependencies = [("costs", "0002_ledger")]
    operations = [migrations.RunSQL(PERIODS + RESERVE + RELEASE + CHANGES, UNDO)]
