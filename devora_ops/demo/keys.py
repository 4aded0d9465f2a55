"""The keys that the demo's agents call with, kept with the installation's secrets."""

from collections.abc import Mapping
from typing import Final

from devora_ops.common.apikeys import parse
from devora_ops.demo.cast import ACTOR, AGENTS, TEAM
from devora_ops.installation.secret_file import Secrets
from llm.models import Agent, ApiKey
from llm.services import apikey_create

DEMO_KEYS: Final = "DEVORA_DEMO_KEYS"


def ensure_keys(secrets: Secrets) -> dict[str, str]:
    """Return a token for each agent of the demo, making those that do not work.

    Empty when there is no demo. The caller stores them with `keep_keys` once what it
    made is committed.
    """
    agents = Agent.objects.filter(slug__in=AGENTS, team__slug=TEAM, team__is_demo=True)
    kept = _working(secrets)
    return {
        agent.slug: kept.get(agent.slug)
        or apikey_create(agent=agent, scopes=["call"], name="demo", actor=ACTOR)
        for agent in agents
    }


def keep_keys(secrets: Secrets, tokens: Mapping[str, str]) -> None:
    """Store the tokens, unless they are what is stored."""
    value = ",".join(tokens.values())
    if value and secrets.get(DEMO_KEYS) != value:
        secrets.keep(DEMO_KEYS, value)


def public_id(token: str) -> str:
    """Return the part of a token that facts name it by."""
    key = parse(token)
    return key.public_id if key else ""


def _working(secrets: Secrets) -> dict[str, str]:
    """Return the kept tokens that this database takes, by agent."""
    tokens = {
        public_id(token): token
        for token in (secrets.get(DEMO_KEYS) or "").split(",")
        if token
    }
    keys = ApiKey.objects.filter(
        public_id__in=tokens, revoked_at=None, agent__team__slug=TEAM
    )
    return {
        key.agent.slug: tokens[key.public_id] for key in keys.select_related("agent")
    }
