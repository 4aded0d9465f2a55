"""The ASGI application below /v1: who calls, which endpoint, and one shape of error."""

import asyncio
import datetime as dt
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from costs.journal import Journal
from costs.ledger import Ledger
from costs.snapshot import budgets, price_book
from costs.standing import StandingWatch
from devora_ops.common import request_ids
from devora_ops.common.crypto import FieldCipher
from devora_ops.common.errors import DevoraError, NotFound
from devora_ops.common.postgres import make_pool
from devora_ops.common.redis_line import RedisLine
from devora_ops.common.serving import SERVED
from devora_ops.common.snapshots import Snapshot, SnapshotKeeper
from llm import tokens
from llm.gateway.answering import Answering
from llm.gateway.authentication import KnownTokens, bearer_token, require
from llm.gateway.books import Books
from llm.gateway.cache_store import CacheStore
from llm.gateway.call import Call
from llm.gateway.discovery import Discovery
from llm.gateway.dispatch import Dispatcher
from llm.gateway.errors import ErrorBody, anthropic_error, openai_error
from llm.gateway.exchange import Exchange
from llm.gateway.expansion import Expand
from llm.gateway.formats import CHAT, EMBEDDINGS, MESSAGES, RESPONSES, Format
from llm.gateway.health import Health, breakers
from llm.gateway.http import (
    BodyReader,
    ClientGoneError,
    Receive,
    Scope,
    Send,
    error_bytes,
    header,
    send_bytes,
    send_error,
)
from llm.gateway.key_uses import KeyUses
from llm.gateway.limits import Limiter
from llm.gateway.market import LiveMarket
from llm.gateway.metrics import Metrics
from llm.gateway.pulse import Pulse
from llm.gateway.recorder import Recorder
from llm.gateway.service import Service
from llm.gateway.shedding import Gate
from llm.gateway.steps import Steps
from llm.gateway.upstream import UpstreamClient
from llm.gateway.watch import Watch
from llm.snapshot import Key, catalogue, keys

log = logging.getLogger("[LLM]")

_MESSAGES = "/v1/messages"
_MODELS = "/v1/models"

Endpoint = Callable[[Key, str, Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """What the gateway is built from; extra snapshots are those that expand reads.

    processes: how many share the limits while Redis is away.
    """

    database_url: str
    redis_url: str
    field_keys: tuple[str, ...]
    store_content: str
    expand: Expand
    data_folder: Path
    snapshots: tuple[Snapshot[Any], ...] = ()
    processes: int = 1


class Gateway:
    """One process's data plane: started and stopped by the ASGI lifespan."""

    def __init__(self, config: GatewayConfig) -> None:
        self._keys, self._tokens = keys(), KnownTokens()
        self._catalogue = catalogue(FieldCipher(config.field_keys))
        prices, budget_scopes, shared = price_book(), budgets(), breakers()
        # Keys last: once a key is taken, all that was older than it is in force.
        self._keeper = SnapshotKeeper(
            config.database_url,
            [
                *(self._catalogue, prices, budget_scopes, shared),
                *(*config.snapshots, self._keys),
            ],
        )
        self._pool = make_pool(config.database_url, size=2)
        self._client = UpstreamClient()
        journal = Journal(config.data_folder / "settlements")
        self.metrics = Metrics(shared)
        self._ledger = Ledger(
            config.database_url, journal=journal, posted=self.metrics.count
        )
        self._pulse = Pulse()
        self._gate = Gate(self._pulse, self._ledger, self.metrics)
        self._recorder = Recorder(self._pool, default_mode=config.store_content)
        self._health = Health(self._pool, shared)
        self._discovery = Discovery(self._pool, self._catalogue)
        books = Books(self._ledger, self._recorder)
        dispatcher = Dispatcher(
            exchange=Exchange(self._client, books),
            books=books,
            health=self._health,
            discovery=self._discovery,
            prices=prices,
            budgets=budget_scopes,
        )
        self._uses = KeyUses(self._pool)
        self._line = RedisLine(config.redis_url)
        self._limiter = Limiter(self._line, processes=config.processes)
        answering = Answering(books, dispatcher, CacheStore(self._line))
        self._bodies, self._watch = BodyReader(), Watch()
        self._market = LiveMarket(self._pool, prices, self._catalogue)
        self._standing = StandingWatch(self._pool, budget_scopes)
        self._service = Service(
            bodies=self._bodies,
            books=books,
            answering=answering,
            limiter=self._limiter,
            catalogue=self._catalogue,
            market=self._market,
            steps=Steps(self._standing, self._catalogue, self._market, self._health),
            expand=config.expand,
            watch=self._watch,
        )
        self._endpoints: Mapping[str, Mapping[str, Endpoint]] = {
            "/v1/chat/completions": {"POST": self._serving(CHAT)},
            _MESSAGES: {"POST": self._serving(MESSAGES)},
            "/v1/responses": {"POST": self._serving(RESPONSES)},
            "/v1/embeddings": {"POST": self._serving(EMBEDDINGS)},
            _MODELS: {"GET": self._list_models},
        }

    async def start(self) -> None:
        """Connect to everything; raises when Postgres cannot be reached."""
        await self._keeper.start()
        await self._ledger.start()
        await self._client.start()
        await self._line.start()
        await self._limiter.start()
        # Last: an open pool does not let go of its loop when what follows it fails,
        # and a process that does not end is not started again.
        await self._pool.open()
        await self._uses.start()
        await self._market.start()
        await self._standing.start()
        self._pulse.start()
        self._bodies.start()
        self._watch.start()
        # The first estimate would hold up every stream while it loads.
        self._warming = asyncio.create_task(asyncio.to_thread(tokens.encoding))

    async def stop(self) -> None:
        """Write what still waits, then disconnect."""
        await self._ledger.stop()
        await self._uses.stop()
        await self._market.stop()
        await self._standing.stop()
        self._pulse.stop()
        self._bodies.stop()
        self._watch.stop()
        await self._recorder.flushed()
        await self._health.told()
        await self._discovery.written()
        await self._client.stop()
        await self._limiter.stop()
        await self._line.stop()
        await self._keeper.stop()
        await self._pool.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; whatever is wrong with it leaves in the endpoint's shape."""
        asked = request_ids.of(scope["headers"])
        once = _Once(send)
        try:
            endpoint = self._endpoint(scope)
            key = self._authenticate(scope)
            await endpoint(key, asked, scope, receive, once)
        except ClientGoneError:
            return
        except DevoraError as error:
            await _refuse(once, error, asked, scope)
        except Exception:
            if once.begun:
                # The server logs it and closes: nothing else can be said.
                raise
            log.exception("request failed", extra={"request_id": asked})
            failed = DevoraError(
                "Something failed on our side; the request id finds it in the logs.",
                status=500,
                code="internal_error",
            )
            await _refuse(once, failed, asked, scope)

    def is_full(self) -> bool:
        """Say whether one more call would be turned away, and do nothing about it."""
        return self._gate.is_closed()

    def turn_away(
        self, path: str, headers: Iterable[tuple[bytes, bytes]]
    ) -> bytes | None:
        """Return a whole answer to a request for which there is no room.

        For a server that can ask before anything is done for a request; see Gate.
        """
        error = self._gate.refusal()
        if error is None:
            return None
        asked = request_ids.of(headers)
        blank = "~" * len(asked)  # no id has these
        return _answer(error, _shape(path), blank).replace(
            blank.encode(), asked.encode()
        )

    def _endpoint(self, scope: Scope) -> Endpoint:
        path = scope["path"].rstrip("/")
        methods = self._endpoints.get(path)
        if methods is None and path.startswith(f"{_MODELS}/"):
            methods = {"GET": self._show_model}
        if methods is None:
            raise NotFound(f"There is no {scope['path'][:200]} here.")
        endpoint = methods.get(scope["method"])
        if endpoint is None:
            raise DevoraError(
                f"Use {' or '.join(methods)} here.",
                status=405,
                code="method_not_allowed",
                headers={"Allow": ", ".join(methods)},
            )
        return endpoint

    def _authenticate(self, scope: Scope) -> Key:
        token = header(scope, b"x-api-key") if _is_messages(scope["path"]) else None
        if token is not None:
            presented = token.decode("latin-1").strip()
        else:
            told = header(scope, b"authorization")
            presented = bearer_token(told.decode("latin-1") if told else None)
        now = dt.datetime.now(dt.UTC)
        key = self._tokens.authenticate(presented, self._keys.current, now=now)
        require(key, "call")
        self._uses.note(key.public_id)
        return key

    def _serving(self, wire: Format) -> Endpoint:
        async def serve(
            key: Key, asked: str, scope: Scope, receive: Receive, send: Send
        ) -> None:
            call = Call(key, asked, wire)
            SERVED.set(call)  # of this request's task, and no other's
            await self._service.serve(call, scope, receive, send)

        return serve

    async def _list_models(
        self, key: Key, asked: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        data = [_model(name, owner) for name, owner in self._models().items()]
        await _send_object(send, {"object": "list", "data": data}, asked)

    async def _show_model(
        self, key: Key, asked: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        name = scope["path"].removeprefix(f"{_MODELS}/").rstrip("/")
        owner = self._models().get(name)
        if owner is None:
            raise NotFound(
                f"There is no model or route `{name[:200]}`.",
                code="model_not_found",
                param="model",
            )
        await _send_object(send, _model(name, owner), asked)

    def _models(self) -> Mapping[str, str]:
        """Return whose each name is that can be asked for; routes come first."""
        catalogue = self._catalogue.current
        names = dict.fromkeys(sorted(catalogue.routes), "route")
        for model, target in sorted(catalogue.models.items()):
            names.setdefault(model, target.upstream.slug)
        return names


class _Once:
    """A send that knows whether an answer has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = False

    def __call__(self, message: MutableMapping[str, Any]) -> Awaitable[None]:
        self.begun = True
        return self._send(message)


def _model(name: str, owner: str) -> Mapping[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": owner}


async def _send_object(send: Send, body: Mapping[str, Any], asked: str) -> None:
    headers = [(b"x-request-id", asked.encode())]
    await send_bytes(send, 200, orjson.dumps(body), headers)


@lru_cache(maxsize=256)
def _answer(error: DevoraError, shape: ErrorBody, asked: str) -> bytes:
    return error_bytes(error, asked, body=shape(error, asked))


def _is_messages(path: str) -> bool:
    return path.startswith(_MESSAGES)


async def _refuse(send: Send, error: DevoraError, asked: str, scope: Scope) -> None:
    headers = [(b"x-request-id", asked.encode())]
    await send_error(send, error, headers, body=_shape(scope["path"])(error, asked))


def _shape(path: str) -> ErrorBody:
    return anthropic_error if _is_messages(path) else openai_error
