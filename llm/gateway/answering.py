"""Where a call's answer comes from: the cache, an identical call, or a provider."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from costs.steps import Verdict
from llm.gateway.books import Books
from llm.gateway.cache_store import CacheStore, Entry
from llm.gateway.caching import (
    MOST_FINGERPRINTED_BYTES,
    CachePolicy,
    fingerprint_of,
    key_of,
)
from llm.gateway.call import Call
from llm.gateway.codecs.protocol import Ours
from llm.gateway.dispatch import Dispatcher
from llm.gateway.flights import Follower
from llm.gateway.http import Send, send_bytes
from llm.gateway.planning import Plan
from llm.gateway.relay import send_stream
from llm.gateway.steps import nothing_cached

# An answer that a filter cut off may come out another way the next time.
_UNKEPT = ("content_filter", "refusal", "error")


@dataclass(frozen=True, slots=True)
class Answering:
    """Gives calls their answers."""

    books: Books
    dispatcher: Dispatcher
    cache: CacheStore

    async def answer(
        self, call: Call, plan: Plan, policy: CachePolicy, origin: str, send: Send
    ) -> None:
        """Answer a call; raises what the agent gets when nobody could."""
        if plan.cache_only is not None:
            await self._recall(call, plan, plan.cache_only, policy, origin, send)
            return
        key = _fingerprinted(call, origin, plan, policy)
        if not policy.on:
            await call.admitted()
            await self.dispatcher.serve(call, plan, send)
            return
        call.cache = "miss"
        if not policy.look:
            await call.admitted()
            await self._ask(call, plan, policy, key, send)
            return
        flight = self.cache.flights.lead_or_follow(key)
        if isinstance(flight, Follower):
            await call.admitted()
            entry = await flight.entry()
            if entry is not None:
                await self._give(call, entry, send)
            else:
                await self._ask(call, plan, policy, key, send)
            return
        with flight:
            # Both questions to Redis go out together.
            look = self.cache.look(key, policy.max_age_s)
            await call.admitted()
            entry = await self.cache.found(look)
            if entry is not None:
                flight.land(entry)
                await self._give(call, entry, send)
            elif made := await self._ask(call, plan, policy, key, send):
                flight.land(made)

    async def _recall(
        self,
        call: Call,
        plan: Plan,
        step: Verdict,
        policy: CachePolicy,
        origin: str,
        send: Send,
    ) -> None:
        """Answer a call from the cache alone; raises BudgetExceeded without an answer.

        What was answered after the same budget had routed it down will do as well.
        """
        await call.admitted()
        call.model = plan.targets[0].model
        looks = policy.on and policy.look
        if looks:
            call.cache = "miss"
            for name in filter(None, (call.requested, step.to)):
                key = _key(call, origin, name)
                entry = await self.cache.get(key, max_age_s=policy.max_age_s)
                if entry is not None:
                    await self._give(call, entry, send)
                    return
        raise nothing_cached(step, forbidden=not looks)

    async def _ask(
        self, call: Call, plan: Plan, policy: CachePolicy, key: str, send: Send
    ) -> Entry | None:
        """Have a provider answer; return what may be given again."""
        if call.stream and call.format.collector is not None:
            call.collector = call.format.collector()
        await self.dispatcher.serve(call, plan, send)
        body = _keepable(call)
        if body is None or not policy.keep:
            return None
        return self.cache.keep(
            key,
            body,
            ttl_s=policy.ttl_s,
            model=call.model,
            cost_usd=call.cost_usd,
            call_id=call.id_text,
        )

    async def _give(self, call: Call, entry: Entry, send: Send) -> None:
        """Answer with what was said before; it costs nothing and saves what it cost."""
        call.cache, call.model = "hit", entry.model
        if entry.cost_usd is not None:
            call.saved_usd = entry.cost_usd
        self.books.close(call, 200)
        self.books.keep(call, orjson.dumps(call.body), entry.body)
        if not call.stream:
            headers = [*call.headers(), *call.cost_header()]
            await send_bytes(send, 200, entry.body, headers)
            return
        assert call.format.replay is not None, "what streams can be replayed"
        ours = Ours(call.id_text, "0")
        events = call.format.replay(orjson.loads(entry.body), call.body, ours)
        await send_stream(call, send, events)


def _fingerprinted(call: Call, origin: str, plan: Plan, policy: CachePolicy) -> str:
    """Return the call's key after taking its fingerprint; of a large call without the
    cache there is neither.
    """
    if not policy.on and call.size > MOST_FINGERPRINTED_BYTES:
        return ""
    key = _key(call, origin, plan.instead or call.requested)
    call.fingerprint = fingerprint_of(key)
    return key


def _key(call: Call, origin: str, name: str) -> str:
    """Return the key of what a route or model, or a prompt, answers to a call."""
    return key_of(call.format.name, origin, {**call.body, "model": name})


def _keepable(call: Call) -> bytes | None:
    """Return a call's whole answer, if it came to a proper end."""
    if call.attempts and call.attempts[-1].error_code:
        return None
    value: Mapping[str, Any] | None
    if call.collector is not None:
        value = call.collector.answer()
    else:
        value = call.answer.value if call.answer else None
    if value is None or value.get("stop_reason") in _UNKEPT:
        return None
    details = value.get("incomplete_details")
    if isinstance(details, dict) and details.get("reason") in _UNKEPT:
        return None
    for choice in value.get("choices") or ():
        if choice.get("finish_reason") in _UNKEPT:
            return None
    return call.answer.body if call.answer else orjson.dumps(value)
