"""What the benchmarks need of Django; runs in `manage.py shell`."""

import os
from decimal import Decimal

from django.conf import settings
from django.test import Client

from benchmarks.installation import MODELS, PROVIDER
from costs.services import create_budget
from devora_ops.common.models import User
from llm import services

_PRICED_LIKE = "openai/gpt-5.4"
_AMPLE = Decimal(1_000_000)
_AGENTS = 4


def provide() -> str:
    """Make two agents under two hard budgets, the simulator as provider; return keys.

    The first key has no limits, the second and its agent have all.
    """
    agent = services.agent_ensure(slug="bench", team="bench-team")
    limited = services.agent_ensure(slug="limited", team="bench-team")
    provider = services.provider_ensure(
        slug=PROVIDER,
        kind="compatible",
        base_url=f"http://127.0.0.1:{os.environ['BENCHMARK_UPSTREAM']}/v1",
        secret="sk-simulated-and-long-enough",
        from_environment=True,
    )
    for name in MODELS:
        services.model_ensure(provider=provider, name=name, like=_PRICED_LIKE)
    _ample("Everybody")
    _ample("One team", period="day", team="bench-team")
    ample = dict.fromkeys(services.LIMITS, int(_AMPLE) * 1000)
    type(limited).objects.filter(pk=limited.pk).update(**ample)
    keys = (
        services.apikey_create(agent=agent),
        services.apikey_create(agent=limited, limits=ample),
    )
    return ",".join(keys)


def nest() -> str:
    """Make budgets around four agents; return each one's as `benchmarks.holding` wants.

    Everything, the team and the model are around all of them; agent and user differ.
    """
    shared = [
        _ample("All that is held"),
        _ample("The team that holds", team="holding-team"),
        _ample("The model that is held for", model="bench/m"),
    ]
    nests = []
    for n in range(_AGENTS):
        agent = _ample(f"Agent {n}", agent=f"a{n}")
        user = _ample(f"User {n}", end_user=f"u{n}")
        nests.append(",".join(map(str, [*shared, agent, user])))
    return ";".join(nests)


def _ample(name: str, **fields: str) -> int:
    budget = create_budget(actor="benchmark", name=name, limit_usd=_AMPLE, **fields)
    return int(budget.pk)


def sign_in() -> str:
    """Make an Owner and return the cookie of a session of theirs."""
    client = Client()
    client.force_login(User.objects.create_superuser("reader"))
    name = settings.SESSION_COOKIE_NAME
    return f"{name}={client.cookies[name].value}"
