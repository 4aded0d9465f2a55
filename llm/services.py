"""Writes of the llm floor: agents and their keys, providers and their models, routes."""

import datetime as dt
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from costs import price_table
from costs.models import Price
from devora_ops.common import addresses, apikeys, audit
from devora_ops.common.crypto import FieldCipher
from devora_ops.common.errors import Conflict, InvalidRequest
from devora_ops.common.models import Team
from llm.models import Agent, ApiKey, Content, Model, Provider, Route, RouteTarget
from llm.selectors import content_of

_COLOR_SLOTS = 12
_AS_IT_IS = -1
_ABILITY_OF_MODE = {"chat": "chat", "embedding": "embeddings", "responses": "responses"}
LIMITS = ("requests_per_minute", "tokens_per_minute", "concurrent_calls")


@transaction.atomic
def agent_ensure(*, slug: str, team: str = "default", name: str = "") -> Agent:
    """Return the agent with this slug, made (and its team with it) if need be."""
    existing = Agent.objects.filter(slug=slug).first()
    if existing is not None:
        return existing
    owner, _ = Team.objects.get_or_create(
        slug=team, defaults={"name": team.replace("-", " ").capitalize()}
    )
    agent = Agent(slug=slug, name=name or slug, team=owner)
    agent.full_clean()
    agent.save()
    return agent


@transaction.atomic
def apikey_create(
    *,
    agent: Agent,
    scopes: Sequence[str] = ("call",),
    name: str = "",
    expires_at: dt.datetime | None = None,
    limits: Mapping[str, int | None] | None = None,
    actor: str = "system",
) -> str:
    """Make a key and return its token, which nobody can read again.

    limits: by the names of LIMITS; what is left out has none.
    """
    minted = apikeys.mint()
    key = ApiKey(
        public_id=minted.public_id,
        digest=minted.digest,
        last_four=minted.token[-4:],
        agent=agent,
        name=name,
        scopes=list(dict.fromkeys(scopes)),
        expires_at=expires_at,
        **(limits or {}),
    )
    key.full_clean()
    key.save()
    audit.record(
        actor=actor,
        action="apikey.create",
        object_type="apikey",
        object_id=key.public_id,
        after={"agent": agent.slug, "scopes": key.scopes},
    )
    return minted.token


@transaction.atomic
def apikey_revoke(*, key: ApiKey, actor: str) -> None:
    """End a key; within a second no worker takes it any more."""
    if key.revoked_at is None:
        key.revoked_at = timezone.now()
        key.save(update_fields=["revoked_at"])
        audit.record(
            actor=actor,
            action="apikey.revoke",
            object_type="apikey",
            object_id=key.public_id,
        )


@transaction.atomic
def apikey_rotate(*, key: ApiKey, overlap: dt.timedelta, actor: str) -> str:
    """Make a key's successor and let the old one end after an overlap; return the token.

    The successor has the same agent, scopes, limits and name, and ends when its
    predecessor would have ended.
    """
    old = ApiKey.objects.select_for_update().get(pk=key.pk)
    if old.revoked_at is not None:
        raise Conflict("A revoked key has no successor.", code="revoked")
    minted = apikeys.mint()
    ApiKey.objects.create(
        public_id=minted.public_id,
        digest=minted.digest,
        last_four=minted.token[-4:],
        agent=old.agent,
        name=old.name,
        scopes=old.scopes,
        expires_at=old.expires_at,
        **{name: getattr(old, name) for name in LIMITS},
    )
    end = timezone.now() + overlap
    old.expires_at = min(old.expires_at or end, end)
    old.save(update_fields=["expires_at"])
    audit.record(
        actor=actor,
        action="apikey.rotate",
        object_type="apikey",
        object_id=old.public_id,
        after={"successor": minted.public_id, "ends": old.expires_at.isoformat()},
    )
    return minted.token


@transaction.atomic
def provider_ensure(
    *,
    slug: str,
    kind: str,
    base_url: str,
    secret: str,
    name: str = "",
    from_environment: bool = False,
    bulkhead_size: int | None = _AS_IT_IS,
    actor: str = "system",
) -> Provider:
    """Make a provider, or bring it in line; models of the price table come with it.

    from_environment: the operator named the address, so it may be an internal one.
    bulkhead_size: the most calls to it at once, None for the usual; left out, it stays.
    """
    if not from_environment:
        addresses.check_url(
            base_url, allowed_hosts=settings.DEVORA_ALLOWED_INTERNAL_HOSTS
        )
    provider = Provider.objects.filter(slug=slug).first() or Provider(slug=slug)
    if provider.pk and provider.base_url != base_url and not secret:
        # Else whoever may edit the address could have the stored key sent to it.
        raise InvalidRequest(
            "Enter the key again to change the address.", param="base_url"
        )
    provider.name = name or provider.name or slug
    provider.kind = kind
    provider.base_url = base_url
    provider.internal_allowed = from_environment or _is_allowed_inside(base_url)
    if bulkhead_size != _AS_IT_IS:
        provider.bulkhead_size = bulkhead_size
    if secret:
        # Without a key it could not be used; its first one makes it ready.
        provider.is_active |= not provider.sealed_secret
        cipher = FieldCipher(settings.DEVORA_FIELD_KEYS)
        provider.sealed_secret = cipher.seal(secret, owner=f"llm_provider:{slug}")
        provider.last_four = secret[-4:] if len(secret) >= 12 else ""
    provider.full_clean()
    provider.save()
    audit.record(
        actor=actor,
        action="provider.save",
        object_type="provider",
        object_id=slug,
        after={
            "kind": kind,
            "base_url": base_url,
            "secret_changed": bool(secret),
            "bulkhead_size": provider.bulkhead_size,
        },
    )
    _models_from_table(provider)
    return provider


def _is_allowed_inside(base_url: str) -> bool:
    try:
        addresses.check_url(base_url)
    except addresses.UrlForbidden:
        return True  # it passed only because the operator allows it
    return False


def _models_from_table(provider: Provider) -> None:
    """Add the published models of a provider that the price table knows by its slug."""
    known = set(provider.models.values_list("name", flat=True))
    rows = [
        row
        for row in price_table.models().values()
        if row["provider"] == provider.slug and row["model"] not in known
    ]
    Model.objects.bulk_create(
        Model(
            provider=provider,
            name=row["model"],
            context_window=row["context_window"],
            max_output_tokens=row["max_output_tokens"],
            abilities=_abilities(row),
        )
        for row in rows
    )


def _abilities(row: Mapping[str, Any]) -> dict[str, bool]:
    """Return what a model of the price table can do, and what it cannot."""
    told = dict(row.get("flags", {}))
    if mode := row.get("mode"):
        told |= {ability: mode == its for its, ability in _ABILITY_OF_MODE.items()}
    if modalities := row.get("modalities"):
        told["audio"] = "audio" in modalities["input"]
    return told


@transaction.atomic
def model_ensure(*, provider: Provider, name: str, like: str = "") -> Model:
    """Make a provider's model if need be; like: `provider/name` whose price it shares."""
    model, made = Model.objects.get_or_create(
        provider=provider,
        name=name,
        defaults={"color_slot": _least_used_slot()},
    )
    if made and like:
        row = price_table.models()[like]
        model.context_window = row["context_window"]
        model.max_output_tokens = row["max_output_tokens"]
        model.abilities = _abilities(row)
        model.save()
        fields = price_table.price_fields(row, model=str(model))
        Price.objects.get_or_create(
            model=str(model),
            valid_from=fields["valid_from"],
            defaults=fields,
        )
    return model


def _least_used_slot() -> int:
    """Return the colour that the fewest models have, of those the first."""
    colored = Model.objects.exclude(color_slot=None)
    used = Counter(colored.values_list("color_slot", flat=True))
    return min(range(1, _COLOR_SLOTS + 1), key=lambda slot: (used[slot], slot))


@transaction.atomic
def route_ensure(*, slug: str, targets: Sequence[Model]) -> Route:
    """Make a route over models in order of priority, unless one has that name."""
    route, made = Route.objects.get_or_create(slug=slug)
    if made:
        RouteTarget.objects.bulk_create(
            RouteTarget(route=route, model=model, position=place)
            for place, model in enumerate(targets)
        )
    return route


@transaction.atomic
def content_read(
    *, call_id: uuid.UUID, actor: str, request_id: str = ""
) -> Content | None:
    """Return what a call said, if it is kept; the audit knows who read it."""
    content = content_of(call_id)
    if content is not None:
        audit.record(
            actor=actor,
            action="content.view",
            object_type="llm.content",
            object_id=str(call_id),
            request_id=request_id,
        )
    return content
