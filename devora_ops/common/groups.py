"""The Django groups behind the roles, kept in line with the matrix in `roles`."""

from collections.abc import Iterable
from functools import reduce
from operator import or_

from django.contrib.auth.models import Group, Permission
from django.db.models import Q, QuerySet

from devora_ops.common.roles import PERMISSIONS


def align_groups(*, using: str = "default") -> None:
    """Give each role's group exactly its permissions; what does not exist yet waits."""
    for role, names in PERMISSIONS.items():
        group, _ = Group.objects.using(using).get_or_create(name=role)
        group.permissions.set(_existing(names, using=using))


def _existing(names: Iterable[str], *, using: str) -> QuerySet[Permission]:
    wanted = reduce(or_, (_named(name) for name in names))
    return Permission.objects.using(using).filter(wanted)


def _named(name: str) -> Q:
    label, codename = name.split(".")
    return Q(content_type__app_label=label, codename=codename)
