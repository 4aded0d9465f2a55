"""`manage.py createkey --agent NAME`: make an agent if need be, and a key for it."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from devora_ops.common.apikeys import SCOPES
from llm.services import agent_ensure, apikey_create


class Command(BaseCommand):
    """Print the new key, once, alone on stdout."""

    help = "Make an API key for an agent."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--agent", required=True, help="the agent's slug")
        parser.add_argument("--team", default="default", help="for a new agent")
        parser.add_argument(
            "--scopes", default="call", help=f"comma-separated, of {', '.join(SCOPES)}"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        scopes = [each.strip() for each in options["scopes"].split(",") if each.strip()]
        unknown = sorted(set(scopes) - set(SCOPES))
        if unknown or not scopes:
            raise CommandError(
                f"--scopes: use some of {', '.join(SCOPES)}, not {', '.join(unknown)}."
            )
        try:
            with transaction.atomic():
                agent = agent_ensure(slug=options["agent"], team=options["team"])
                token = apikey_create(agent=agent, scopes=scopes, actor="createkey")
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        self.stderr.write(f"A key for {agent.slug} (team {agent.team.slug}):")
        self.stdout.write(token)
