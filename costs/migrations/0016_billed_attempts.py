"""Attempts that a provider billed, for comparing the bills with our prices."""

from django.db import migrations

ADD = """
CREATE INDEX costs_attempt_billed ON costs_attempt (id)
    INCLUDE (model, cost_usd, book_usd) WHERE book_usd IS NOT NULL;
"""


class Migration(migrations.Migration):
    dependencies = [("costs", "0015_budget_steps")]
    operations = [migrations.RunSQL(ADD, "DROP INDEX costs_attempt_billed;")]
