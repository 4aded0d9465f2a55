"""Which key calls, and whether it may: one pure check for both planes."""

import datetime as dt
import hashlib
from collections.abc import Mapping

from devora_ops.common import apikeys
from devora_ops.common.errors import InvalidApiKey, PermissionDenied
from devora_ops.common.roles import Scope, grants
from llm.snapshot import Key


def bearer_token(authorization: str | None) -> str:
    """Return the token of an Authorization header; raises InvalidApiKey."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise InvalidApiKey(
            "Send your key as `Authorization: Bearer dvo_live_…`. Keys are made in "
            "the admin or with `manage.py createkey`."
        )
    return token.strip()


def authenticate(token: str, keys: Mapping[str, Key], *, now: dt.datetime) -> Key:
    """Return the key behind a token; raises InvalidApiKey.

    An unknown id and a wrong secret take the same time and get the same answer.
    """
    return _in_time(_identify(token, keys), now)


class KnownTokens:
    """The keys behind tokens that were checked already, by the tokens' SHA-256.

    Taking a token apart costs a call more than the rest of its check does. A new picture
    of the keys forgets them all, so that a revocation is in force with it.
    """

    def __init__(self) -> None:
        self._keys: Mapping[str, Key] = {}
        self._known: dict[bytes, Key] = {}

    def authenticate(
        self, token: str, keys: Mapping[str, Key], *, now: dt.datetime
    ) -> Key:
        """Return the key behind a token as `authenticate` does."""
        if keys is not self._keys:
            self._keys, self._known = keys, {}
        digest = hashlib.sha256(token.encode()).digest()
        key = self._known.get(digest)
        if key is None:  # a key has one token, so that there are never more than keys
            key = self._known[digest] = _identify(token, keys)
        return _in_time(key, now)


def _identify(token: str, keys: Mapping[str, Key]) -> Key:
    presented = apikeys.parse(token)
    key = keys.get(presented.public_id) if presented else None
    matches = presented and presented.matches(key.digest if key else None)
    if key is None or not matches:
        raise InvalidApiKey("This API key is not valid.")
    return key


def _in_time(key: Key, now: dt.datetime) -> Key:
    if key.expires_at is not None and key.expires_at <= now:
        raise InvalidApiKey("This API key has expired.", code="key_expired")
    return key


def require(key: Key, scope: Scope) -> None:
    """Raise PermissionDenied unless the key has a scope."""
    if not grants(key.scopes, scope):
        raise PermissionDenied(
            f"This key lacks the scope `{scope}`.", code="insufficient_scope"
        )
