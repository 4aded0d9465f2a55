"""Redis for the data plane: one connection that never makes a caller wait for it.

While Redis is away every command fails at once, and one task tries to come back. What
is kept in Redis may be lost, so those who call go on without it.
"""

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Callable, Sequence
from typing import Any

from devora_ops.common.redis_address import parse_address
from devora_ops.common.redis_wire import (
    Argument,
    RedisDown,
    RedisRefused,
    RedisWire,
    fail,
)

__all__ = ["RedisDown", "RedisLine", "RedisRefused", "Script"]

log = logging.getLogger("[Redis]")

_CONNECT_S = 1.0
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0
_STEADY_S = 5.0
_SILENCE_S = 2.0
_PROBE_KEY = "devora:probe"


class RedisLine:
    """One pipelined connection, made anew whenever it broke.

    returned_at: when it last came back from a loss, on the loop's clock; None while
    it never was lost.
    """

    def __init__(
        self, url: str, *, timeout_s: float = 0.25, name: str = "devora-gateway"
    ) -> None:
        self._address = parse_address(url)
        self._timeout_s = timeout_s
        self._name = name
        self._wire: RedisWire | None = None
        self._reason = "not started"
        self._keeper: asyncio.Task[None] | None = None
        self._said_up: bool | None = None
        self._scripts: list[str] = []
        self.returned_at: float | None = None

    async def start(self) -> None:
        """Connect, or go on without: that Redis is away is no error."""
        tried = asyncio.Event()
        self._keeper = asyncio.create_task(self._keep_up(tried))
        await tried.wait()

    async def stop(self) -> None:
        """Let what was sent arrive, then disconnect."""
        with contextlib.suppress(OSError):
            await self.call("PING")
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        if self._wire is not None:
            self._wire.lose("stopped")
        self._wire, self._reason = None, "stopped"

    @property
    def is_up(self) -> bool:
        """Whether commands go out now."""
        return self._wire is not None and not self._wire.lost.done()

    def call(self, *command: Argument) -> asyncio.Future[Any]:
        """Send a command; await the future for its reply (texts are bytes).

        It raises RedisDown, at once while Redis is away and after the deadline at the
        latest, or RedisRefused.
        """
        if self._wire is None:
            future = asyncio.get_running_loop().create_future()
            return fail(future, RedisDown(self._reason))
        return self._wire.send(command)

    def tell(self, *command: Argument) -> bool:
        """Send a command whose reply nobody needs; False when it was dropped.

        It is when Redis is away or reads more slowly than we write.
        """
        wire = self._wire
        if wire is None or wire.choked or wire.lost.done():
            return False
        wire.tell(command, _accepted)
        return True

    def tell_script(
        self, command: tuple[Argument, ...], refused: Callable[[RedisRefused], None]
    ) -> None:
        """Send a script without waiting; it is dropped while Redis is away."""
        if self._wire is not None:
            self._wire.tell(command, refused)

    def script(self, lua: str) -> "Script":
        """Return a script that runs on this line.

        Redis learns of it with every connection: one that it had to be sent in full
        would run after what was sent behind it.
        """
        self._scripts.append(lua)
        self.tell("SCRIPT", "LOAD", lua)
        return Script(self, lua)

    async def _keep_up(self, tried: asyncio.Event) -> None:
        pause_s = _FIRST_PAUSE_S
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            try:
                wire = await self._connect()
            except OSError as error:
                reason = str(error) or type(error).__name__
            else:
                self._came_up(wire)
                tried.set()
                reason = await _until_lost(wire)
            self._went_down(reason)
            tried.set()
            # One that breaks again and again is left alone for longer each time, as
            # every try costs those who call in the meantime a deadline.
            if clock() - began > _STEADY_S:
                pause_s = _FIRST_PAUSE_S
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def _connect(self) -> RedisWire:
        limit_s = max(_CONNECT_S, self._timeout_s)
        try:
            async with asyncio.timeout(limit_s):
                wire = await self._address.connect(lambda: RedisWire(self._timeout_s))
        except TimeoutError as error:
            raise RedisDown(f"no connection within {limit_s:g} s") from error
        try:
            await self._greet(wire)
        except BaseException:
            wire.lose("not usable")
            raise
        return wire

    async def _greet(self, wire: RedisWire) -> None:
        at = self._address
        replies = []
        if at.password:
            named = (at.username,) if at.username else ()
            replies.append(wire.send(("AUTH", *named, at.password)))
        wire.send(("CLIENT", "SETNAME", self._name))
        if at.db:
            replies.append(wire.send(("SELECT", at.db)))
        # A Redis that is paused for writes, full, or a replica answers PING all the same.
        replies.append(wire.send(("SET", _PROBE_KEY, 1, "PX", 1000)))
        replies += [wire.send(("SCRIPT", "LOAD", lua)) for lua in self._scripts]
        for reply in replies:
            await reply

    def _came_up(self, wire: RedisWire) -> None:
        self._wire = wire
        if self._said_up is False:
            self.returned_at = asyncio.get_running_loop().time()
            log.warning("Redis at %s is back", self._address)
        self._said_up = True

    def _went_down(self, reason: str) -> None:
        self._wire, self._reason = None, f"Redis is away: {reason}"
        if self._said_up is not False:
            log.warning(
                "Redis at %s is away, going on without: %.200s", self._address, reason
            )
        self._said_up = False


class Script:
    """A Lua script, sent by its digest and in full only when Redis does not know it."""

    def __init__(self, line: RedisLine, lua: str) -> None:
        self._line = line
        self._lua = lua
        self._digest = hashlib.sha1(lua.encode(), usedforsecurity=False).hexdigest()

    async def run(self, keys: Sequence[Argument], args: Sequence[Argument]) -> Any:
        """Run it; raises as RedisLine.call does."""
        return await self.reply(self.send(keys, args), keys, args)

    def send(
        self, keys: Sequence[Argument], args: Sequence[Argument]
    ) -> asyncio.Future[Any]:
        """Send it now, for `reply` to be awaited later."""
        return self._line.call("EVALSHA", self._digest, len(keys), *keys, *args)

    async def reply(
        self,
        sent: asyncio.Future[Any],
        keys: Sequence[Argument],
        args: Sequence[Argument],
    ) -> Any:
        """Return the reply to what was sent; raises as RedisLine.call does."""
        try:
            return await sent
        except RedisRefused as error:
            if error.code != "NOSCRIPT":
                raise
        # Its scripts were flushed meanwhile; EVAL has it know this one again.
        return await self._line.call("EVAL", self._lua, len(keys), *keys, *args)

    def tell(self, keys: Sequence[Argument], args: Sequence[Argument]) -> None:
        """Run it without waiting; it is dropped while Redis is away."""

        def send_in_full(error: RedisRefused) -> None:
            if error.code == "NOSCRIPT":
                self._line.tell("EVAL", self._lua, len(keys), *keys, *args)

        command = ("EVALSHA", self._digest, len(keys), *keys, *args)
        self._line.tell_script(command, send_in_full)


def _accepted(_: RedisRefused) -> None:
    """Do without what Redis refused: it may be lost at any time."""


async def _until_lost(wire: RedisWire) -> str:
    while not wire.lost.done():
        await asyncio.wait([wire.lost], timeout=_SILENCE_S)
        # A silent line may have died unnoticed; else the next caller would find out.
        wire.send(("PING",))
    return wire.lost.result()
