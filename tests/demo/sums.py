"""The same sums from facts and from rollups, of one team, to be compared."""

FROM_FACTS = """
SELECT count(*) AS calls, sum(c.attempts) AS tries, sum(c.saved_usd) AS saved,
       sum(a.cost) AS cost, sum(a.input) AS input, sum(a.cached) AS cached,
       sum(a.output) AS output, sum(a.n) AS attempts,
       count(*) FILTER (WHERE c.status = 'ok') AS answers
FROM costs_call AS c LEFT JOIN LATERAL (
    SELECT coalesce(sum(cost_usd), 0) AS cost, coalesce(sum(input_tokens), 0) AS input,
           coalesce(sum(cache_read_tokens), 0) AS cached, count(*) AS n,
           coalesce(sum(output_tokens), 0) AS output
    FROM costs_attempt WHERE call_id = c.id
) AS a ON true
WHERE c.team = %s
"""
FROM_ROLLUPS = """
SELECT sum(calls) AS calls, sum(attempts) AS tries, sum(saved_usd) AS saved,
       sum(cost_usd) AS cost, sum(input_tokens) AS input, sum(cached_tokens) AS cached,
       sum(output_tokens) AS output, sum(attempts) AS attempts,
       sum((SELECT coalesce(sum(x & 1099511627775), 0) FROM unnest(latency) AS x))
           AS answers
FROM {table} WHERE team = %s
"""
ROLLUPS = ("costs_rollup_work", "costs_rollup_who")
