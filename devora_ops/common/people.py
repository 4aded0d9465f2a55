"""Roles of people: who has which, and who must keep theirs."""

from django.contrib.auth.models import Group, Permission
from django.db.models import Q

from devora_ops.common.models import User
from devora_ops.common.roles import OWNER, ROLES, Role

_CONTENT = Q(content_type__app_label="llm", codename="view_content")


def is_last_owner(user: User) -> bool:
    """Say whether nobody else could hand out roles if this person could not."""
    if not user.is_active or user.role != OWNER:
        return False
    owners = User.objects.filter(Q(is_superuser=True) | Q(groups__name=OWNER))
    return not owners.filter(is_active=True).exclude(pk=user.pk).exists()


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
