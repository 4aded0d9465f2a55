"""The simulator's ASGI application: which path speaks which format."""

import time
from collections.abc import Awaitable, Callable
from itertools import count
from random import Random

import orjson

from devora_ops.simulator import behaviours
from devora_ops.simulator.answers import invent, roll
from devora_ops.simulator.anthropic_messages import AnthropicMessages
from devora_ops.simulator.behaviours import Script, UnknownWordError
from devora_ops.simulator.catalogue import models
from devora_ops.simulator.config import Config
from devora_ops.simulator.connection import (
    ClientGoneError,
    Connection,
    Headers,
    Receive,
    Scope,
    Send,
)
from devora_ops.simulator.control import PREFIX, control
from devora_ops.simulator.embeddings import OpenAIEmbeddings, OpenRouterEmbeddings
from devora_ops.simulator.exchange import Exchange
from devora_ops.simulator.faults import RefusalError, fault, invalid
from devora_ops.simulator.instant import InstantReplies, is_instant
from devora_ops.simulator.journal import Journal
from devora_ops.simulator.latency import AT_ONCE, Pace, draw, speed_of
from devora_ops.simulator.memory import Memory, Request
from devora_ops.simulator.openai_chat import OpenAIChat, OpenRouterChat, openai_error
from devora_ops.simulator.openai_responses import OpenAIResponses, OpenRouterResponses
from devora_ops.simulator.wire import Answer, Ask, Demand, Wire

Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_BAD_KEY = b"bad-key"
_JSON: Headers = [(b"content-type", b"application/json")]
# What reading a JSON value of an unforeseen shape raises.
_WRONG_SHAPES = (AttributeError, KeyError, RecursionError, TypeError, ValueError)
_UNREAD = Ask({}, Demand(model="", prompt_tokens=0), stream=False)
_ORDINARY = Script()


def create_app(config: Config) -> Application:
    """Return the ASGI application. Raises OSError when the journal cannot be had."""
    return Simulator(config).serve


class Simulator:
    """Every provider at once: the path says which format is spoken."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._journal = Journal(config.journal_path)
        self._memory = Memory(config.seed)
        self._arrivals = count(1)
        self._wires: dict[str, Wire] = {
            "/v1/chat/completions": OpenAIChat(),
            "/v1/embeddings": OpenAIEmbeddings(),
            "/v1/messages": AnthropicMessages(),
            "/v1/responses": OpenAIResponses(),
            "/api/v1/chat/completions": OpenRouterChat(),
            "/api/v1/embeddings": OpenRouterEmbeddings(),
            "/api/v1/responses": OpenRouterResponses(),
        }
        self._instant = {
            path: InstantReplies(wire, self._journal, self._memory)
            for path, wire in self._wires.items()
            if not isinstance(wire, OpenAIEmbeddings)
        }

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI callable."""
        connection = Connection(scope, receive, send)
        wire = self._wires.get(scope["path"])
        try:
            if wire is not None and scope["method"] == "POST":
                await self._call(connection, wire)
            else:
                await self._other(connection, status=405 if wire else 404)
        except ClientGoneError:
            return
        finally:
            connection.end()

    async def _call(self, connection: Connection, wire: Wire) -> None:
        body = await connection.body()
        path, headers = connection.scope["path"], connection.scope["headers"]
        attempt, key = _caller(headers)
        self._memory.requests.add(Request(time.time(), path, headers, body, attempt))
        plain = key != _BAD_KEY and not self._memory.roles
        if plain and path in self._instant and is_instant(body, wire):
            await self._instant[path].reply(connection, attempt)
            return

        def exchange(ask: Ask, script: Script) -> Exchange:
            return Exchange(
                connection=connection,
                wire=wire,
                ask=ask,
                script=script,
                attempt=attempt,
                journal=self._journal,
                memory=self._memory,
            )

        try:
            ask, script = self._understand(wire, body, key)
        except RefusalError as refusal:
            self._memory.count("", "requests")
            await exchange(_UNREAD, _ORDINARY).refuse(refusal)
            return
        self._memory.count(ask.model, "requests")
        await self._serve(exchange(ask, script))

    def _understand(self, wire: Wire, body: bytes, key: bytes) -> tuple[Ask, Script]:
        """Raises RefusalError."""
        if key == _BAD_KEY:
            raise RefusalError(fault(401))
        try:
            ask = wire.read(body)
        except _WRONG_SHAPES as error:
            raise invalid(f"The body has a value of a wrong type: {error}") from None
        try:
            script = behaviours.parse(self._memory.roles.get(ask.model, ask.model))
        except UnknownWordError as error:
            message = f"The simulator does not know '{error}' in '{ask.model}'."
            raise RefusalError(fault(404), message=message, param="model") from None
        return ask, self._memory.due(script, ask.model, body)

    async def _serve(self, exchange: Exchange) -> None:
        ask, script = exchange.ask, exchange.script
        if script.status:
            await exchange.refuse(RefusalError(fault(script.status, script.error)))
            return
        try:
            dice = roll(self._config.seed, ask.body)
            choices, tokens = invent(ask.demand, script, dice)
        except _WRONG_SHAPES as error:
            await exchange.refuse(invalid(f"The body cannot be used: {error}"))
            return
        answer_id = f"{dice.getrandbits(64):016x}{next(self._arrivals):08x}"
        answer = Answer(answer_id, int(time.time()), choices, tokens)
        await exchange.answer(answer, self._pace(ask, script, answer, dice))

    def _pace(self, ask: Ask, script: Script, answer: Answer, dice: Random) -> Pace:
        if script.simulated or not self._config.latency_scale:
            return AT_ONCE
        reasoning = answer.tokens.reasoning
        pace = draw(speed_of(ask.model), dice, reasoning_tokens=reasoning)
        return pace.scaled(self._config.latency_scale)

    async def _other(self, connection: Connection, *, status: int) -> None:
        scope = connection.scope
        if scope["path"].startswith(PREFIX):
            await control(connection, self._memory)
            return
        await connection.body()
        if scope["path"] in {"/v1/models", "/api/v1/models"}:
            body = orjson.dumps(models(scope["headers"]))
            await connection.respond(200, _JSON, body)
            return
        message = f"Invalid URL ({scope['method']} {scope['path']})"
        error = openai_error(RefusalError(fault(404), message=message))
        await connection.respond(status, _JSON, orjson.dumps(error))


def _caller(headers: Headers) -> tuple[str | None, bytes]:
    """Return the attempt's id and the API key of a request."""
    attempt, key = None, b""
    for name, value in headers:
        if name == b"x-devora-attempt":
            attempt = value.decode("latin-1")
        elif name in {b"authorization", b"x-api-key"}:
            key = value.removeprefix(b"Bearer ")
    return attempt, key
