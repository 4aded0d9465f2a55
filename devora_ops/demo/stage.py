"""What the demo's history plays on: team, agents, models, corpus, budgets."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from costs.models import Budget, BudgetPeriod
from costs.services import create_budget
from devora_ops import celery as celery  # tells tasks where the queue is
from devora_ops.bootstrap import UPSTREAMS
from devora_ops.common.models import Team
from devora_ops.demo.cast import (
    ACTOR,
    AGENTS,
    CORPUS,
    EXPERIMENT,
    MODELS,
    NAME_SUFFIX,
    SIMULATED,
    SIMULATOR,
    TEAM,
    documents,
)
from devora_ops.demo.prompts import demo_prompts
from devora_ops.simulator.cast import RESEARCHER
from experiments.models import Experiment
from llm.models import Agent, Model, Provider
from llm.services import agent_ensure, model_ensure
from prompts.models import Prompt
from rag.models import Corpus
from rag.services import NewDocument, corpus_create, documents_add
from rag.tasks import enqueue

_TIME_ZONE: Final = "Europe/Paris"
_UNTIL_KNOWN = Decimal(1)


class DemoRefused(Exception):
    """The demo would have to touch what is not its own; says what is in the way."""


def refuse_to_share() -> None:
    """Raise DemoRefused when somebody uses a name that the demo needs."""
    slugs = [prompt.slug for prompt in demo_prompts().values()]
    taken = [
        *_taken("team", Team.objects.filter(slug=TEAM).values_list("slug")),
        *_taken("agent", Agent.objects.filter(slug__in=AGENTS).values_list("slug")),
        *_taken("prompt", Prompt.objects.filter(slug__in=slugs).values_list("slug")),
        *_taken("corpus", Corpus.objects.filter(slug=CORPUS).values_list("slug")),
        *_taken(
            "experiment", Experiment.objects.filter(slug=EXPERIMENT).values_list("slug")
        ),
    ]
    if taken:
        raise DemoRefused(
            f"The {', the '.join(taken)} of yours is in the way: rename it first."
        )


def make_team() -> None:
    """Make the team, marked before its first call, and its agents."""
    Team.objects.create(slug=TEAM, name="Demo", is_demo=True)
    for slug in AGENTS:
        agent_ensure(slug=slug, team=TEAM, name=slug.replace("-", " ").capitalize())


def make_models() -> None:
    """Make the models of the history and give them colours.

    A provider without a key is made inactive, so nobody is offered its models; its
    first key makes it a provider like any other.
    """
    providers = {slug: _provider(slug) for slug in _providers_of(MODELS)}
    for name, slot in MODELS.items():
        slug, _, model = name.partition("/")
        found = model_ensure(provider=providers[slug], name=model, like=name)
        Model.objects.filter(pk=found.pk).update(color_slot=slot)
    for model, slot in SIMULATED.items():
        simulated = Model.objects.filter(provider__slug=SIMULATOR, name=model)
        simulated.update(color_slot=slot)


def make_corpus() -> None:
    """Make the help centre; the worker indexes it once all this is committed."""
    corpus = corpus_create(
        slug=CORPUS, name="Help centre" + NAME_SUFFIX, actor=ACTOR, language="en"
    )
    new = [
        NewDocument(
            external_id=external_id,
            title=title,
            content=text.encode(),
            kind="markdown",
        )
        for external_id, title, text in documents()
    ]
    added = documents_add(corpus=corpus, documents=new, actor=ACTOR)
    enqueue(document.pk for document, _due in added)


def make_budgets() -> tuple[Budget, Budget]:
    """Make the team's monthly budget and an agent's daily one.

    Their limits follow from what the history comes to: see `loading`.
    """
    monthly = create_budget(
        actor=ACTOR,
        name="Demo team, monthly",
        limit_usd=_UNTIL_KNOWN,
        period=BudgetPeriod.MONTH,
        time_zone=_TIME_ZONE,
        team=TEAM,
        hard=False,
    )
    daily = create_budget(
        actor=ACTOR,
        name="Demo research assistant, daily",
        limit_usd=_UNTIL_KNOWN,
        period=BudgetPeriod.DAY,
        time_zone=_TIME_ZONE,
        team=TEAM,
        agent=RESEARCHER.agent,
        hard=True,
    )
    return monthly, daily


def _taken(kind: str, slugs: Iterable[tuple[str, ...]]) -> list[str]:
    return [f"{kind} {slug!r}" for (slug,) in slugs]


def _providers_of(models: Iterable[str]) -> list[str]:
    return sorted({model.partition("/")[0] for model in models})


def _provider(slug: str) -> Provider:
    upstream = next(each for each in UPSTREAMS if each.slug == slug)
    provider, _made = Provider.objects.get_or_create(
        slug=slug,
        defaults={
            "name": upstream.name + NAME_SUFFIX,
            "kind": upstream.kind,
            "base_url": upstream.default_url,
            "is_active": False,
        },
    )
    return provider
