"""What repricing adds to what attempts cost, for nothing of theirs is rewritten."""

from django.db import migrations

# One row for what differs in nothing that sums tell apart, in a quarter of an hour.
# unpriced: minus the attempts that had no cost and have one by this row.
ADD = """
CREATE TABLE costs_adjustment (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    posted_at timestamptz NOT NULL DEFAULT now(),
    posted_by text NOT NULL,
    bucket timestamptz NOT NULL,
    team text NOT NULL,
    agent text NOT NULL,
    end_user text NOT NULL,
    key text NOT NULL,
    model text NOT NULL,
    prompt text NOT NULL,
    prompt_version int NOT NULL,
    experiment text NOT NULL,
    variant text NOT NULL,
    status text NOT NULL,
    attempts int NOT NULL,
    unpriced int NOT NULL,
    cost_usd numeric(20, 9) NOT NULL
);
CREATE INDEX costs_adjustment_model ON costs_adjustment (model, bucket);
CREATE INDEX costs_adjustment_bucket ON costs_adjustment (bucket);
"""


class Migration(migrations.Migration):
    dependencies = [("costs", "0016_billed_attempts")]
    operations = [migrations.RunSQL(ADD, "DROP TABLE costs_adjustment;")]
