"""One authenticated request from its bytes to its end: expand → plan → dispatch."""

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import Any

import orjson

from devora_ops.common.errors import DevoraError
from devora_ops.common.snapshots import Snapshot
from llm.gateway import validation
from llm.gateway.answering import Answering
from llm.gateway.books import Books
from llm.gateway.bounds import text_size
from llm.gateway.caching import policy_of, read_wish
from llm.gateway.call import Call
from llm.gateway.expansion import PROMPT_PREFIX, Expand, Expanded
from llm.gateway.http import BodyReader, Receive, Scope, Send, header, send_error
from llm.gateway.limits import Limiter
from llm.gateway.planning import make_plan
from llm.gateway.routing import Asked, Market
from llm.gateway.steps import Steps
from llm.gateway.watch import Watch
from llm.snapshot import Catalogue

log = logging.getLogger("[LLM]")

_BIG_BYTES = 64 * 1024
_BYTES_A_TOKEN = 4  # of an estimate, which the call's end corrects


@dataclass(frozen=True, slots=True)
class Service:
    """Serves calls of every format with what one process keeps."""

    bodies: BodyReader
    books: Books
    answering: Answering
    limiter: Limiter
    catalogue: Snapshot[Catalogue]
    market: Market
    steps: Steps
    expand: Expand
    watch: Watch

    async def serve(
        self, call: Call, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer one request; every way out settles what was tried.

        A client that hangs up while it still sends its request has made no call.
        """
        try:
            raw = await self.bodies.read(scope, receive)
        except DevoraError as error:
            await self._refuse(call, error, send)
            return
        watched = self.watch.begin(call, receive)
        try:
            size = text_size(raw)
            self._ask_for_room(call, size)
            await self._serve(call, raw, size, _cache_control(scope), send)
        except DevoraError as error:
            await self._refuse(call, error, send)
        except asyncio.CancelledError:
            if not call.client_gone:
                self.books.close(call, 503, "shutting_down")
                raise
            self.books.close(call, 499, "client_gone")
        except Exception:
            self.books.close(call, 500, "internal_error")
            raise
        finally:
            self.watch.end(watched)
            if call.admission is not None:
                call.admission.done(call.tokens)

    async def _refuse(self, call: Call, error: DevoraError, send: Send) -> None:
        self.books.close(call, error.status, error.code)
        headers = [*call.headers(), *call.cost_header()]
        body = call.format.error(error, call.request_id)
        await send_error(send, error, headers, body=body)

    def _ask_for_room(self, call: Call, size: int) -> None:
        """Begin to count the call under the limits of its key and agent.

        It is read meanwhile, and waits before anything is done for it.
        """
        if call.key.limits:
            call.admission = self.limiter.ask(
                call.key.limits,
                tokens=size // _BYTES_A_TOKEN,
                owner=call.id_text,
            )

    async def _serve(
        self,
        call: Call,
        raw: bytes,
        size: int,
        cache_control: str | None,
        send: Send,
    ) -> None:
        if len(raw) > _BIG_BYTES:  # reading it is work that a limit has to hold back
            await call.admitted()
        body = validation.parse(raw)
        call.requested = validation.check_model(body)
        wish = read_wish(cache_control, body)
        expanded = await self._expand(call, body)
        if expanded:  # what its prompt adds is asked too
            size = text_size(orjson.dumps(call.body))
        call.format.check(call.body)
        call.stream = bool(call.body.get("stream"))
        if end_user := call.format.end_user(call.body):
            call.who = replace(call.who, end_user=end_user)
        named = call.body.pop("model", call.requested)
        call.size = max(size, len(raw))
        asked = Asked(call.who, call.body, size, call.format.name)
        plan = make_plan(self.catalogue.current, named, asked, self.market)
        plan = self.steps.applied(call, plan, asked)
        call.route, call.probability = plan.route, plan.probability
        if plan.cache_only:
            wish = wish.willing()
        policy = policy_of(wish, expanded.cache if expanded else None)
        origin = expanded.origin if expanded else ""
        await self.answering.answer(call, plan, policy, origin, send)

    async def _expand(self, call: Call, body: dict[str, Any]) -> Expanded | None:
        if not call.requested.startswith(PROMPT_PREFIX):
            call.body = _without_ours(body)
            return None
        # Retrieval is work, and its embedding costs money: first, there must be room.
        await call.admitted()
        lent = call.format.lend(body)
        expanded = await self.expand(call.requested, lent, call.request_id)
        call.body = call.format.adopt(expanded.body)
        call.who = replace(
            call.who,
            prompt=expanded.prompt,
            prompt_version=expanded.prompt_version,
            experiment=expanded.experiment,
            variant=expanded.variant,
        )
        return expanded


def _cache_control(scope: Scope) -> str | None:
    told = header(scope, b"x-devora-cache-control")
    return None if told is None else told.decode("latin-1")


def _without_ours(body: dict[str, Any]) -> dict[str, Any]:
    for ours in ("variables", "unit"):
        body.pop(ours, None)
    return body
