"""`demo remove`: the demo's team goes, and all that was made for it."""

import time
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import ProtectedError, QuerySet

from costs.models import Budget
from costs.services import delete_budget
from devora_ops.common.audit import record
from devora_ops.common.models import Team
from devora_ops.demo.books import allow_long_statements
from devora_ops.demo.cast import ACTOR, CORPUS, EXPERIMENT, NAME_SUFFIX, TEAM
from devora_ops.demo.loading import is_loaded
from devora_ops.demo.prompts import demo_prompts
from experiments.models import Experiment
from llm.models import Agent, ApiKey, Provider
from prompts.models import Prompt
from prompts.services import prompt_delete
from rag.models import Corpus
from rag.services import corpus_delete

# A gateway hears of a revoked key within a second.
_KEYS_END_S: Final = 1.5
_CALLS_END_S: Final = 20.0

_UNDER_WAY = "SELECT count(*) FROM costs_hold WHERE facts->'who'->>'team' = %s"
# A settlement writes facts, then sums: one that came between our two deletions would
# leave facts without sums, so settlements wait until both are done.
_STOP_SETTLING = (
    "LOCK TABLE costs_attempt, costs_call, costs_score IN SHARE ROW EXCLUSIVE MODE"
)
_DELETIONS: Final = {
    "contents": "DELETE FROM llm_content USING costs_call AS c "
    "WHERE c.id = call_id AND c.team = %s",
    "scores": "DELETE FROM costs_score USING costs_call AS c "
    "WHERE c.id = call_id AND c.team = %s",
    "attempts": "DELETE FROM costs_attempt WHERE team = %s",
    "calls": "DELETE FROM costs_call WHERE team = %s",
    "adjustments": "DELETE FROM costs_adjustment WHERE team = %s",
    "sums by work": "DELETE FROM costs_rollup_work WHERE team = %s",
    "sums by who": "DELETE FROM costs_rollup_who WHERE team = %s",
    "sums by minute": "DELETE FROM costs_rollup_minute WHERE team = %s",
}


def remove(*, keys_end_s: float = _KEYS_END_S) -> dict[str, int] | None:
    """Remove the demo; return how many of what, or None when there is none.

    keys_end_s: how long a gateway may still take the demo's keys.
    """
    if not is_loaded():
        return None
    ApiKey.objects.filter(agent__team__slug=TEAM).delete()
    _wait_for_calls(keys_end_s)
    with transaction.atomic():
        allow_long_statements()
        removed = {
            "budgets": _remove_budgets(),
            "experiments": _delete(Experiment.objects.filter(slug=EXPERIMENT)),
            "prompts": _remove_prompts(),
            "corpora": _remove_corpus(),
            "providers": _remove_providers(),
            **_remove_facts(),
            "agents": _delete(Agent.objects.filter(team__slug=TEAM)),
            "teams": _delete(Team.objects.filter(slug=TEAM)),
        }
        record(actor=ACTOR, action="demo.remove", object_type="team", object_id=TEAM)
    return removed


def _wait_for_calls(keys_end_s: float) -> None:
    """Let the demo's calls come to their end, so that none is settled afterwards."""
    began = time.monotonic()
    while (passed := time.monotonic() - began) < _CALLS_END_S:
        if passed >= keys_end_s and not _calls_under_way():
            return
        time.sleep(0.05)


def _calls_under_way() -> int:
    with connection.cursor() as cursor:
        cursor.execute(_UNDER_WAY, [TEAM])
        return int(cursor.fetchone()[0])


def _remove_facts() -> dict[str, int]:
    removed = {}
    with connection.cursor() as cursor:
        cursor.execute(_STOP_SETTLING)
        for what, statement in _DELETIONS.items():
            cursor.execute(statement, [TEAM])
            removed[what] = cursor.rowcount
    return removed


def _remove_budgets() -> int:
    budgets = list(Budget.objects.filter(team=TEAM))
    for budget in budgets:
        delete_budget(budget, actor=ACTOR)
    return len(budgets)


def _remove_prompts() -> int:
    """Leave a prompt that somebody has made an experiment of their own on."""
    slugs = [prompt.slug for prompt in demo_prompts().values()]
    removed = 0
    for prompt in Prompt.objects.filter(slug__in=slugs):
        try:
            with transaction.atomic():
                prompt_delete(prompt=prompt, actor=ACTOR)
        except ProtectedError:
            continue
        removed += 1
    return removed


def _remove_corpus() -> int:
    corpora = list(Corpus.objects.filter(slug=CORPUS))
    for corpus in corpora:
        corpus_delete(corpus=corpus, actor=ACTOR)
    return len(corpora)


def _remove_providers() -> int:
    """Leave a provider that has got a key since, or that a route leads to."""
    unused = Provider.objects.filter(
        name__endswith=NAME_SUFFIX, sealed_secret="", is_active=False
    )
    removed = 0
    for provider in unused:
        try:
            with transaction.atomic():
                provider.delete()
        except ProtectedError:
            continue
        removed += 1
    return removed


def _delete(rows: QuerySet[Any]) -> int:
    """Delete rows with what hangs on them; return how many they were themselves."""
    _total, by_kind = rows.delete()
    return by_kind.get(rows.model._meta.label, 0)
