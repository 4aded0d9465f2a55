"""The tables that Django's ORM cannot describe: partitioned facts, holds and rollups."""

from django.db import migrations

_DIMENSIONS = """
    team text NOT NULL DEFAULT '',
    agent text NOT NULL DEFAULT '',
    end_user text NOT NULL DEFAULT '',
    key text NOT NULL DEFAULT '',
    model text NOT NULL DEFAULT '',
    prompt text NOT NULL DEFAULT '',
    prompt_version int NOT NULL DEFAULT 0,
    experiment text NOT NULL DEFAULT '',
    variant text NOT NULL DEFAULT '',
"""

# An id is a UUIDv7, so a month of time is a range of ids: (id) is the primary key, and
# unique, although the table is partitioned.
FACTS = f"""
CREATE TABLE costs_call (
    id uuid PRIMARY KEY,
    finished_at timestamptz NOT NULL,
    {_DIMENSIONS}
    requested text NOT NULL DEFAULT '',
    status text NOT NULL,
    http_status smallint NOT NULL,
    error_code text NOT NULL DEFAULT '',
    stream boolean NOT NULL DEFAULT false,
    cache text NOT NULL DEFAULT 'off',
    input_tokens int NOT NULL DEFAULT 0,
    cached_tokens int NOT NULL DEFAULT 0,
    output_tokens int NOT NULL DEFAULT 0,
    cost_usd numeric(20, 9),
    saved_usd numeric(20, 9) NOT NULL DEFAULT 0,
    estimated boolean NOT NULL DEFAULT false,
    latency_ms real NOT NULL,
    ttft_ms real,
    attempts smallint NOT NULL DEFAULT 0,
    request_id text NOT NULL DEFAULT ''
) PARTITION BY RANGE (id);

CREATE TABLE costs_attempt (
    id uuid PRIMARY KEY,
    call_id uuid NOT NULL,
    number smallint NOT NULL,
    provider text NOT NULL DEFAULT '',
    {_DIMENSIONS}
    state text NOT NULL,
    settled_at timestamptz NOT NULL,
    http_status smallint,
    error_code text NOT NULL DEFAULT '',
    input_tokens int NOT NULL DEFAULT 0,
    cache_read_tokens int NOT NULL DEFAULT 0,
    cache_write_tokens int NOT NULL DEFAULT 0,
    output_tokens int NOT NULL DEFAULT 0,
    reasoning_tokens int NOT NULL DEFAULT 0,
    raw_usage jsonb,
    price_id bigint,
    cost_usd numeric(20, 9),
    estimated boolean NOT NULL DEFAULT false,
    latency_ms real NOT NULL,
    ttft_ms real,
    counters bigint[] NOT NULL DEFAULT '{{}}'
) PARTITION BY RANGE (id);

-- A call's page asks for its attempts.
CREATE INDEX costs_attempt_call ON costs_attempt (call_id);

-- A month nobody prepared must not refuse a settlement.
CREATE TABLE costs_call_default PARTITION OF costs_call DEFAULT;
CREATE TABLE costs_attempt_default PARTITION OF costs_attempt DEFAULT;
"""

PARTITIONS = """
CREATE FUNCTION ops_first_uuid7_at(moment timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0')
            || '00000000000000000000')::uuid
$$;

-- Makes the monthly partitions of a table from one moment's month to another's.
CREATE FUNCTION ops_keep_partitions(parent text, since timestamptz, until timestamptz)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_month timestamptz := date_trunc('month', since, 'UTC');
    v_next timestamptz;
    v_name text;
BEGIN
    WHILE v_month <= until LOOP
        v_next := date_trunc('month', v_month + interval '32 days', 'UTC');
        v_name := parent || to_char(v_month AT TIME ZONE 'UTC', '_YYYY_MM');
        IF to_regclass(v_name) IS NULL THEN
            EXECUTE format(
                'CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                v_name, parent, ops_first_uuid7_at(v_month), ops_first_uuid7_at(v_next)
            );
        END IF;
        v_month := v_next;
    END LOOP;
END $$;

SELECT ops_keep_partitions('costs_call', now(), now() + interval '40 days');
SELECT ops_keep_partitions('costs_attempt', now(), now() + interval '40 days');
"""

HOLDS = """
-- A process that reserves money, and when it last said that it lives.
CREATE TABLE costs_owner (
    id uuid PRIMARY KEY,
    label text NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now()
);

-- The worst case of an attempt, set aside before a byte leaves. facts: what the sweeper
-- needs to write the attempt when its process died (dimensions, provider, number).
CREATE TABLE costs_hold (
    attempt_id uuid PRIMARY KEY,
    call_id uuid NOT NULL,
    owner uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    amount numeric(20, 9) NOT NULL CHECK (amount >= 0),
    counters bigint[] NOT NULL,
    facts jsonb NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.0,
        autovacuum_vacuum_threshold = 5000);

ALTER TABLE costs_counter SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.0,
                               autovacuum_vacuum_threshold = 1000);
"""

_MEASURES = """
    calls bigint NOT NULL DEFAULT 0,
    attempts bigint NOT NULL DEFAULT 0,
    input_tokens bigint NOT NULL DEFAULT 0,
    cached_tokens bigint NOT NULL DEFAULT 0,
    output_tokens bigint NOT NULL DEFAULT 0,
    cost_usd numeric NOT NULL DEFAULT 0,
    saved_usd numeric NOT NULL DEFAULT 0,
    unpriced bigint NOT NULL DEFAULT 0,
    cacheable bigint NOT NULL DEFAULT 0,
    latency_ms double precision NOT NULL DEFAULT 0,
    latency bigint[] NOT NULL DEFAULT '{}',
    ttft bigint[] NOT NULL DEFAULT '{}'
"""

_WORK = """
    bucket timestamptz NOT NULL,
    team text NOT NULL,
    agent text NOT NULL,
    model text NOT NULL,
    prompt text NOT NULL,
    prompt_version int NOT NULL,
    variant text NOT NULL,
    status text NOT NULL,
"""

_WORK_KEY = "bucket, team, agent, model, prompt, prompt_version, variant, status"

# latency and ttft are sparse histograms: one bigint a bin, bin * 2^40 + count, sorted.
ROLLUPS = f"""
CREATE TABLE costs_rollup_work ({_WORK} {_MEASURES}, PRIMARY KEY ({_WORK_KEY}))
    WITH (fillfactor = 70);
CREATE TABLE costs_rollup_minute ({_WORK} {_MEASURES}, PRIMARY KEY ({_WORK_KEY}))
    WITH (fillfactor = 70);
CREATE TABLE costs_rollup_who (
    bucket timestamptz NOT NULL,
    team text NOT NULL,
    agent text NOT NULL,
    end_user text NOT NULL,
    key text NOT NULL,
    model text NOT NULL,
    status text NOT NULL,
    {_MEASURES},
    PRIMARY KEY (bucket, team, agent, end_user, key, model, status)
) WITH (fillfactor = 70);

CREATE FUNCTION costs_histogram_merge(bigint[], bigint[]) RETURNS bigint[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN cardinality($1) = 0 THEN $2
        WHEN cardinality($2) = 0 THEN $1
        ELSE (
            SELECT array_agg(bin * 1099511627776 + n ORDER BY bin)
            FROM (
                SELECT x >> 40 AS bin, sum(x & 1099511627775)::bigint AS n
                FROM unnest($1 || $2) AS x GROUP BY 1
            ) AS bins
        )
    END
$$;

CREATE AGGREGATE costs_histogram_sum (bigint[]) (
    SFUNC = array_cat, STYPE = bigint[], INITCOND = '{{}}'
);
"""

UNDO = """
DROP AGGREGATE costs_histogram_sum (bigint[]);
DROP FUNCTION costs_histogram_merge(bigint[], bigint[]);
DROP TABLE costs_rollup_who, costs_rollup_minute, costs_rollup_work;
DROP TABLE costs_hold, costs_owner;
DROP TABLE costs_call, costs_attempt;
DROP FUNCTION ops_keep_partitions(text, timestamptz, timestamptz);
DROP FUNCTION ops_first_uuid7_at(timestamptz);
"""


class Migration(migrations.Migration):
    dependencies = [("costs", "0001_prices_and_budgets"), ("ops", "0002_changes")]
    operations = [
        migrations.RunSQL(FACTS + PARTITIONS + HOLDS + ROLLUPS, UNDO),
    ]
