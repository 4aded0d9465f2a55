"""`migrate`, and afterwards the groups follow the roles of the code."""

from typing import Any

from django.contrib.auth.models import Group
from django.core.management.commands import migrate
from django.db import connections

from devora_ops.common.groups import align_groups


class Command(migrate.Command):
    """Django's migrate; a role that gained a permission has it when this returns."""

    def handle(self, *args: Any, **options: Any) -> None:
        super().handle(*args, **options)
        if options["plan"] or options["check_unapplied"]:
            return
        database = options["database"]
        if Group._meta.db_table in connections[database].introspection.table_names():
            align_groups(using=database)
