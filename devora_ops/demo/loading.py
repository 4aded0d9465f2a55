"""`demo load`: a month of history, as if the demo's agents had called all along."""

import datetime as dt
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import islice
from typing import Final

from django.db import connection, transaction

from costs.facts import Who
from costs.models import Budget
from costs.services import change_budget
from devora_ops.common.audit import record
from devora_ops.common.models import Team
from devora_ops.demo import stage
from devora_ops.demo.books import (
    HistoryWriter,
    allow_long_statements,
    copy,
    keep_partitions,
    without_garbage_collection,
)
from devora_ops.demo.cast import ACTOR, TEAM, number_of, slug_of
from devora_ops.demo.charging import Charges, two_digits
from devora_ops.demo.contents import COPY_CONTENTS, KEPT, Contents
from devora_ops.demo.facts import FactMaker, read_price_book
from devora_ops.demo.keys import ensure_keys, keep_keys, public_id
from devora_ops.demo.prompts import demo_prompts
from devora_ops.demo.releases import Participants, make_experiment, make_prompts
from devora_ops.installation.secret_file import Secrets
from devora_ops.simulator.history import SimulatedCall, generate

DAYS: Final = 30
CALLS_PER_DAY: Final = 2000
_SEED: Final = 7
_BATCH: Final = 5000
# The newest calls of the history take up to a minute, and end before the load.
_MARGIN: Final = dt.timedelta(seconds=65)


def is_loaded() -> bool:
    """Say whether the demo is there."""
    return Team.objects.filter(slug=TEAM, is_demo=True).exists()


def load(
    secrets: Secrets,
    *,
    now: dt.datetime,
    days: int = DAYS,
    calls_per_day: float = CALLS_PER_DAY,
) -> int | None:
    """Load everything or nothing; return the number of calls, None if it is there.

    Raises DemoRefused when the names of the demo are taken.
    """
    if is_loaded():
        return None
    since = now - dt.timedelta(days=days)
    keep_partitions(since=since, until=now)
    with transaction.atomic(), without_garbage_collection():
        allow_long_statements()
        _one_at_a_time()
        if is_loaded():
            return None
        tokens = _set_the_stage(secrets, now=now)
        calls = generate(days, _SEED, calls_per_day, now - _MARGIN)
        written = _Past(tokens, since=since, now=now).write(calls)
        record(
            actor=ACTOR,
            action="demo.load",
            object_type="team",
            object_id=TEAM,
            after={"calls": written, "days": days},
        )
    keep_keys(secrets, tokens)
    return written


def _one_at_a_time() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '60s'")
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('devora demo'))")


def _set_the_stage(secrets: Secrets, *, now: dt.datetime) -> dict[str, str]:
    stage.refuse_to_share()
    stage.make_team()
    stage.make_models()
    stage.make_corpus()
    make_prompts(now=now)
    return ensure_keys(secrets)


class _Past:
    """The history on its way into the tables."""

    def __init__(
        self, tokens: Mapping[str, str], *, since: dt.datetime, now: dt.datetime
    ) -> None:
        self._keys = {agent: public_id(token) for agent, token in tokens.items()}
        self._budgets = stage.make_budgets()
        self._charges = Charges(self._budgets, since=since, until=now)
        self._facts = FactMaker(read_price_book(), who=self._who, charge=self._charges)
        self._contents = Contents(demo_prompts(), since=now - KEPT)
        self._participants = Participants(make_experiment(now=now))
        self._writer = HistoryWriter(now=now)

    def write(self, calls: Iterator[SimulatedCall]) -> int:
        """Write all calls and what follows from them; return how many there were."""
        written = 0
        while batch := list(islice(calls, _BATCH)):
            self._write(batch)
            written += len(batch)
        self._writer.finish()
        self._participants.write()
        self._charges.write()
        self._set_limits()
        return written

    def _write(self, batch: list[SimulatedCall]) -> None:
        settlements = [self._facts.settlement(call) for call in batch]
        self._writer.add(settlements)
        rows = map(self._contents.row, batch, settlements)
        copy(COPY_CONTENTS, (row for row in rows if row is not None))
        for call in batch:
            self._participants.add(call)

    def _who(self, call: SimulatedCall) -> Who:
        return Who(
            team=call.team,
            agent=call.agent,
            end_user=call.user,
            key=self._keys[call.agent],
            prompt=slug_of(call.prompt),
            prompt_version=number_of(call.prompt, call.prompt_version),
            experiment=call.experiment,
            variant=call.variant,
        )

    def _set_limits(self) -> None:
        """Choose limits that the history makes sense of.

        The month stands at four fifths or a little more, unless it has just begun; the
        day has room since its agent was once stopped in the middle of an afternoon.
        """
        monthly, daily = self._budgets
        *_, this_month = months = self._charges.spent(monthly)
        _limit(monthly, max(this_month / Decimal("0.8"), sum(months, Decimal(0)) / 4))
        # At least what the worst case of a call needs, however little was spent.
        usual = max(self._charges.spent(daily)) * Decimal("1.6")
        _limit(daily, max(usual, Decimal(1)))


def _limit(budget: Budget, amount: Decimal) -> None:
    change_budget(budget, actor=ACTOR, limit_usd=two_digits(amount) or Decimal(1))
