"""How good answers were, and what that adds up to in the rollups."""

from django.db import migrations, models

# A score lies in the month of its call and goes with it.
SCORES = """
CREATE TABLE costs_score (
    call_id uuid PRIMARY KEY,
    value numeric(5, 3) NOT NULL CHECK (value BETWEEN 0 AND 10),
    scored_at timestamptz NOT NULL DEFAULT now(),
    scored_by text NOT NULL
) PARTITION BY RANGE (call_id);
CREATE TABLE costs_score_default PARTITION OF costs_score DEFAULT;
SELECT ops_keep_partitions('costs_score', now(), now() + interval '40 days');
"""

ROLLUPS = "".join(
    f"""
ALTER TABLE {table}
    ADD COLUMN scored bigint NOT NULL DEFAULT 0,
    ADD COLUMN score_sum numeric NOT NULL DEFAULT 0;
"""
    for table in ("costs_rollup_work", "costs_rollup_minute", "costs_rollup_who")
)

UNDO = """
DROP TABLE costs_score;
ALTER TABLE costs_rollup_work DROP COLUMN scored, DROP COLUMN score_sum;
ALTER TABLE costs_rollup_minute DROP COLUMN scored, DROP COLUMN score_sum;
ALTER TABLE costs_rollup_who DROP COLUMN scored, DROP COLUMN score_sum;
"""


class Migration(migrations.Migration):
    dependencies = [("costs", "0010_bills")]
    operations = [
        migrations.RunSQL(
            SCORES + ROLLUPS,
            UNDO,
            state_operations=[
                migrations.CreateModel(
                    name="Score",
                    fields=[
                        (
                            "call_id",
                            models.UUIDField(primary_key=True, serialize=False),
                        ),
                        (
                            "value",
                            models.DecimalField(
                                decimal_places=3, max_digits=5, verbose_name="score"
                            ),
                        ),
                        (
                            "scored_at",
                            models.DateTimeField(verbose_name="scored"),
                        ),
                        ("scored_by", models.TextField(verbose_name="scored by")),
                    ],
                    options={
                        "verbose_name": "score",
                        "verbose_name_plural": "scores",
                        "db_table": "costs_score",
                        "managed": False,
                    },
                ),
            ],
        )
    ]
