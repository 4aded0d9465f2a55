"""The cache's rule for calls that have been, as a window function.

An entry serves from when its answer was asked for (who asks meanwhile waits for it) until
its time is over, counted from when the answer was there; using it makes it no younger.
"""

from django.db import migrations

MAKE = """
-- Until when there is an entry once this call has been served. until: the same before it.
-- kept: whether its own answer may be given again.
CREATE FUNCTION llm_cached_after(
    until double precision, began double precision, ended double precision,
    kept boolean, ttl_s double precision
) RETURNS double precision LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF until > began OR NOT kept THEN
        RETURN until;
    END IF;
    RETURN ended + ttl_s;
END $$;

CREATE AGGREGATE llm_cached_until (
    began double precision, ended double precision, kept boolean,
    ttl_s double precision
) (SFUNC = llm_cached_after, STYPE = double precision, INITCOND = '-Infinity');
"""

UNDO = """
DROP AGGREGATE llm_cached_until (
    double precision, double precision, boolean, double precision
);
DROP FUNCTION llm_cached_after(
    double precision, double precision, double precision, boolean, double precision
);
"""


class Migration(migrations.Migration):
    dependencies = [("llm", "0007_larger_when_too_long")]
    operations = [migrations.RunSQL(MAKE, UNDO)]
