"""`bootstrap`: a database that people can sign in to and agents can call."""

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

from devora_ops.bootstrap import bootstrap
from devora_ops.installation.folder import DataFolder


class Command(BaseCommand):
    """What `up` runs first; by itself for an installation that is not run by `up`."""

    help = (
        "Migrate, then make the first Owner, one agent key and the providers whose "
        "keys are in the environment, as far as they are missing."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--skip-migrate",
            action="store_true",
            help="the caller knows that nothing is pending",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["skip_migrate"]:
            call_command("migrate", interactive=False, verbosity=0)
        bootstrap(DataFolder.open(settings.DEVORA_DATA).secrets)
