"""`demo trickle`: the demo's agents call the gateway like anybody, now and then."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from random import Random
from typing import Final

from django.db import connections
from django.db.backends.postgresql.base import DatabaseWrapper
from django.utils import timezone

from devora_ops.client import (
    AuthenticationError,
    ChatOptions,
    Client,
    ConnectionFailed,
    DevoraError,
    Retry,
    Unavailable,
)
from devora_ops.demo.cast import SIMULATOR
from devora_ops.demo.keys import ensure_keys, keep_keys
from devora_ops.demo.pace import next_caller, pause_s
from devora_ops.demo.prompts import demo_prompts
from devora_ops.installation.secret_file import Secrets
from devora_ops.simulator.cast import Role

Say = Callable[[str], object]

_NO_DEMO_S: Final = 15.0
_NO_GATEWAY_S: Final = 2.0
_CALL_TIMEOUT_S: Final = 90.0
# The others name a model themselves, as agents do that have no prompt yet.
_BY_PROMPT: Final = 0.9
_MODEL: Final = f"{SIMULATOR}/gpt-5.4"


def run(url: str, *, secrets: Secrets, say: Say) -> None:
    """Call until the process is stopped; without a demo, wait until there is one."""
    while True:
        tokens = _tokens(secrets)
        if tokens:
            with clients_of(tokens, url=url) as clients:
                Trickle(clients, say=say).run()
        time.sleep(_NO_DEMO_S)


@contextmanager
def clients_of(tokens: Mapping[str, str], *, url: str) -> Iterator[dict[str, Client]]:
    """Open a client for each agent."""
    with ExitStack() as opened:
        yield {
            agent: opened.enter_context(
                Client(url, token, timeout=_CALL_TIMEOUT_S, retry=Retry(limit=0))
            )
            for agent, token in tokens.items()
        }


class Trickle:
    """The demo's agents, calling one after the other."""

    def __init__(self, clients: Mapping[str, Client], *, say: Say) -> None:
        self._clients = clients
        self._prompts = demo_prompts()
        self._say = say
        self._dice = Random()
        self._began = timezone.now()
        self._away = False

    def run(self) -> None:
        """Call until the keys are not taken any more: somebody removed the demo."""
        while True:
            began = time.monotonic()
            try:
                self.call(next_caller(timezone.now(), self._dice))
            except AuthenticationError:
                return
            except (ConnectionFailed, Unavailable) as error:
                self._miss_the_gateway(error)
            except DevoraError as error:
                self._say(f"a call failed: {error}")
            else:
                self._find_the_gateway()
            self._rest(until=began + self._pause_s())

    def call(self, role: Role) -> None:
        """Let an agent ask something, as it usually does."""
        client, dice = self._clients[role.agent], self._dice
        question = dice.choice(role.questions).format(dice.choice(role.subjects))
        options: ChatOptions = {"user": self._person(role)}
        if dice.random() < _BY_PROMPT:
            prompt = self._prompts[role.prompt]
            options["prompt"] = prompt.slug
            options["variables"] = prompt.variables(question)
            said = None
        else:
            options["model"] = _MODEL
            said = question
        if role.stream:
            with client.stream_chat(said, **options) as stream:
                stream.finish()
        else:
            client.chat(said, **options)

    def _person(self, role: Role) -> str | None:
        """Name somebody new: the history's people have seen their variant already."""
        if not role.people:
            return None
        return role.person.format(role.people + self._dice.randint(1, role.people))

    def _pause_s(self) -> float:
        return pause_s(timezone.now(), began=self._began, dice=self._dice)

    def _rest(self, *, until: float) -> None:
        pause_s = _NO_GATEWAY_S if self._away else until - time.monotonic()
        time.sleep(max(0.0, pause_s))

    def _miss_the_gateway(self, error: DevoraError) -> None:
        """Say it once: a web process that restarts is back in a moment."""
        if not self._away:
            self._say(f"the gateway is away: {error}")
        self._away = True

    def _find_the_gateway(self) -> None:
        if self._away:
            self._say("the gateway is back")
        self._away = False


def _tokens(secrets: Secrets) -> dict[str, str]:
    tokens = ensure_keys(secrets)
    keep_keys(secrets, tokens)
    _let_go_of_the_database()
    return tokens


def _let_go_of_the_database() -> None:
    """The calls need none, and they may go on for months."""
    connection = connections["default"]
    connection.close()
    if isinstance(connection, DatabaseWrapper):
        connection.close_pool()
