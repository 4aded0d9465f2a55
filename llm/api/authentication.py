"""An agent's key on the control plane: the gateway's check, one row instead of all."""

import datetime as dt
from dataclasses import dataclass

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from devora_ops.common import apikeys
from devora_ops.common.errors import InvalidApiKey
from llm.gateway.authentication import authenticate, bearer_token
from llm.models import ApiKey
from llm.snapshot import Key


@dataclass(frozen=True, slots=True)
class AgentCaller:
    """An agent's key as `request.user` and `request.auth`."""

    key: Key
    is_authenticated = True
    is_anonymous = False
    role = None

    @property
    def scopes(self) -> frozenset[str]:
        """What the key may do."""
        return self.key.scopes

    @property
    def name(self) -> str:
        """What the audit calls it."""
        return f"key:{self.key.public_id} ({self.key.agent})"

    def get_username(self) -> str:
        """Return the name, as people have one."""
        return self.name


class ApiKeyAuthentication(BaseAuthentication):
    """Reads `Authorization: Bearer dvo_live_…`; never a key from a URL or a cookie."""

    def authenticate(self, request: Request) -> tuple[AgentCaller, AgentCaller] | None:
        """Return the caller, or None when no key was sent."""
        header = request.headers.get("Authorization")
        if header is None:
            return None
        try:
            token = bearer_token(header)
            key = authenticate(token, _found(token), now=dt.datetime.now(dt.UTC))
        except InvalidApiKey as error:
            raise AuthenticationFailed(error.message, error.code) from error
        caller = AgentCaller(key)
        return caller, caller

    def authenticate_header(self, request: Request) -> str:
        """Return what a 401 asks for."""
        return "Bearer"


def _found(token: str) -> dict[str, Key]:
    presented = apikeys.parse(token)
    if presented is None:
        return {}
    row = (
        ApiKey.objects.select_related("agent__team")
        .filter(public_id=presented.public_id)
        .filter(revoked_at__isnull=True, agent__is_active=True)
        .first()
    )
    if row is None:
        return {}
    key = Key(
        public_id=row.public_id,
        digest=bytes(row.digest),
        scopes=frozenset(row.scopes),
        expires_at=row.expires_at,
        agent=row.agent.slug,
        team=row.agent.team.slug,
        content=row.agent.store_content,
    )
    return {row.public_id: key}


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Tells drf-spectacular how a key is sent."""

    target_class = ApiKeyAuthentication
    name = "ApiKey"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        """Return the scheme."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "dvo_live_…"}
