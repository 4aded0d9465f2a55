"""Roles of people: who has which, and who must keep theirs."""

from django.contrib.auth.models import Group, Permission
from django.db.models import Q

from devora_ops.common.models import User
from devora_ops.common.roles import OWNER, ROLES, Role
from devora_ops.common.time_zones import UnknownTimeZone, time_zone

_CONTENT = Q(content_type__app_label="llm", codename="view_content")


def is_last_owner(user: User) -> bool:
    """Say whether nobody else could hand out roles if this person could not."""
    if not user.is_active or user.role != OWNER:
        return False
    owners = User.objects.filter(Q(is_superuser=True) | Q(groups__name=OWNER))
    return not owners.filter(is_active=True).exclude(pk=user.pk).exists()


def owners_addresses() -> list[str]:
    """Return where every Owner who has an address can be written to."""
    owners = User.objects.filter(Q(is_superuser=True) | Q(groups__name=OWNER))
    reachable = owners.filter(is_active=True).exclude(email="")
    return list(reachable.order_by("pk").values_list("email", flat=True).distinct())


def give_role(user: User, role: Role) -> None:
    """Make this the person's one role."""
    user.groups.remove(*Group.objects.filter(name__in=ROLES).exclude(name=role))
    user.groups.add(Group.objects.get(name=role))


def lets_see_content(user: User) -> bool:
    """Say whether the person may read prompts and answers beyond what the role allows."""
    return user.user_permissions.filter(_CONTENT).exists()


def let_see_content(user: User, allowed: bool) -> None:
    """Let a person read prompts and answers, or no longer."""
    permissions = Permission.objects.filter(_CONTENT)
    if allowed:
        user.user_permissions.add(*permissions)
    else:
        user.user_permissions.remove(*permissions)


def complete_profile(user: User, *, language: str, zone: str) -> bool:
    """Store what the browser says where the profile says nothing; True if it did.

    zone: a time zone's name from the browser; one that nobody knows is left out.
    """
    before = (user.language, user.time_zone)
    user.language = user.language or language
    user.time_zone = user.time_zone or _known(zone)
    changed = before != (user.language, user.time_zone)
    if changed:
        user.save(update_fields=["language", "time_zone"])
    return changed


def _known(zone: str) -> str:
    try:
        time_zone(zone)
    except UnknownTimeZone:
        return ""
    return zone
