"""Who is behind a socket, and whether they still may listen."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from channels.auth import get_user
from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth.models import AnonymousUser

from devora_ops.common.models import User
from devora_ops.dashboard.charts import color_slots

PERMISSION = "costs.view_call"


@dataclass(frozen=True, slots=True)
class Listener:
    """A person on the socket: how they read numbers and times.

    slots: the colour of each model at the last look.
    """

    user_id: int
    language: str
    time_zone: str
    slots: Mapping[str, int]


async def signed_in(scope: Mapping[str, Any]) -> User | None:
    """Read the session again: it may have ended in another tab or been revoked."""
    engine = import_module(settings.SESSION_ENGINE)
    session = engine.SessionStore(scope["session"].session_key)
    user = await get_user({"session": session})
    return None if isinstance(user, AnonymousUser) or not user.is_active else user


@database_sync_to_async  # type: ignore[untyped-decorator]
def listener_of(user: User, language: str) -> Listener | None:
    """Return the listener that a user is; None when no role lets them see calls."""
    if not user.is_staff or not user.has_perm(PERMISSION):
        return None
    return Listener(user.pk, language, user.time_zone, color_slots())
