"""What a database needs before anybody can sign in or call: made once, idempotent."""

import os
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import transaction

from devora_ops.common.apikeys import parse
from devora_ops.common.crypto import FieldCipher, SealBroken
from devora_ops.common.models import User
from devora_ops.common.roles import OWNER as OWNER_ROLE
from devora_ops.installation.secret_file import (
    AGENT_KEY,
    OWNER,
    OWNER_PASSWORD,
    Secrets,
)
from llm import services
from llm.models import ApiKey, Model, Provider, Route

FIRST_AGENT = "first-agent"
_SIMULATOR = "simulator"

# What the simulator's models cost: the same as those they are named after.
_SIMULATED = (
    "openai/gpt-5.4",
    "openai/gpt-5.4-mini",
    "openai/gpt-5.4-nano",
    "openai/gpt-6-luna",
    "openai/gpt-6.1-sol",
    "openai/text-embedding-3-small",
    "anthropic/claude-opus-5-5",
    "anthropic/claude-sonnet-5",
    "anthropic/claude-haiku-4-5",
    "anthropic/claude-haiku-5-5",
)

# route → its model by provider, the first provider that is there answering.
_ROUTES = {
    "smart": {
        "openai": "gpt-5.4",
        "anthropic": "claude-sonnet-5",
        _SIMULATOR: "gpt-5.4",
    },
    "cheap": {
        "openai": "gpt-5.4-mini",
        "anthropic": "claude-haiku-5-5",
        _SIMULATOR: "gpt-5.4-mini",
    },
}


@dataclass(frozen=True, slots=True)
class Upstream:
    """A provider that the environment may name: its variables and its default."""

    slug: str
    kind: str
    name: str
    default_url: str

    @property
    def secret(self) -> str:
        return os.environ.get(f"{self.slug.upper()}_API_KEY", "")

    @property
    def base_url(self) -> str:
        return os.environ.get(f"{self.slug.upper()}_BASE_URL") or self.default_url


UPSTREAMS = (
    Upstream("openai", "openai", "OpenAI", "https://api.openai.com/v1"),
    Upstream("anthropic", "anthropic", "Anthropic", "https://api.anthropic.com"),
    Upstream("openrouter", "openrouter", "OpenRouter", "https://openrouter.ai/api/v1"),
)


def bootstrap(secrets: Secrets) -> None:
    """Make the first Owner, one agent key, and the providers of the environment."""
    _ensure_owner(secrets)
    _ensure_agent_key(secrets)
    _ensure_simulator()
    for upstream in UPSTREAMS:
        if upstream.secret:
            _ensure_provider(
                slug=upstream.slug,
                kind=upstream.kind,
                name=upstream.name,
                base_url=upstream.base_url,
                secret=upstream.secret,
            )
    for slug, choices in _ROUTES.items():
        _ensure_route(slug, choices)


@transaction.atomic
def _ensure_owner(secrets: Secrets) -> None:
    """Only where nobody owns the installation: its people may be others by now."""
    group, _ = Group.objects.get_or_create(name=OWNER_ROLE)
    if group.user_set.exists() or User.objects.filter(is_superuser=True).exists():
        return
    owner = User(username=secrets[OWNER], is_staff=True)
    owner.set_password(secrets[OWNER_PASSWORD])
    owner.save()
    owner.groups.add(group)


def _ensure_agent_key(secrets: Secrets) -> None:
    """Make a key when there is none, or the one we kept is another database's."""
    kept = parse(secrets.get(AGENT_KEY) or "")
    if kept and ApiKey.objects.filter(public_id=kept.public_id).exists():
        return
    token = services.apikey_create(
        agent=services.agent_ensure(slug=FIRST_AGENT),
        scopes=["call", "read"],
        name="first key",
    )
    secrets.keep(AGENT_KEY, token)


def _ensure_simulator() -> None:
    url = os.environ.get("DEVORA_SIMULATOR_URL")
    if not url:
        return
    provider = _ensure_provider(
        slug=_SIMULATOR,
        kind="openai",
        name="Provider simulator",
        base_url=url,
        secret="simulated",
    )
    if not provider.models.exists():
        for like in _SIMULATED:
            name = like.partition("/")[2]
            services.model_ensure(provider=provider, name=name, like=like)


def _ensure_route(slug: str, choices: dict[str, str]) -> None:
    if Route.objects.filter(slug=slug).exists():
        return
    for provider, name in choices.items():
        model = Model.objects.filter(provider__slug=provider, name=name).first()
        if model is not None:
            services.route_ensure(slug=slug, targets=[model])
            return


def _ensure_provider(
    *, slug: str, kind: str, name: str, base_url: str, secret: str
) -> Provider:
    """Bring a provider in line; a start that changes nothing leaves no audit entry."""
    provider = Provider.objects.filter(slug=slug).first()
    if provider and provider.base_url == base_url and _holds(provider, secret):
        return provider
    return services.provider_ensure(
        slug=slug,
        kind=kind,
        name=name,
        base_url=base_url,
        secret=secret,
        from_environment=True,
        actor="environment",
    )


def _holds(provider: Provider, secret: str) -> bool:
    try:
        cipher = FieldCipher(settings.DEVORA_FIELD_KEYS)
        sealed = cipher.unseal(
            provider.sealed_secret, owner=f"llm_provider:{provider.slug}"
        )
    except SealBroken:
        return False
    return sealed == secret
