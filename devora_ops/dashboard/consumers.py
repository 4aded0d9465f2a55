"""The socket behind the live pages: who may listen, and what they are told.

Every exit has its code: 4400 bad frames or a bad address, 4401 not signed in, 4403 no
role, 4429 too many messages or connections, 1009 a frame that is too large.
"""

import asyncio
import contextlib
import time
from collections import Counter
from typing import Any, ClassVar, Final

import orjson
from channels.consumer import AsyncConsumer
from channels.exceptions import StopConsumer
from django.conf import settings
from django.core.exceptions import TooManyFieldsSent
from django.http import QueryDict

from devora_ops.dashboard import live
from devora_ops.dashboard.digest import Digest
from devora_ops.dashboard.frames import MOST_BYTES, BadFrame, Frame, parse
from devora_ops.dashboard.sessions import Listener, listener_of, signed_in

_MOST_BAD_FRAMES = 5
_MOST_MESSAGES_A_SECOND = 20
_MOST_CONNECTIONS = 50
_FRAME_INTERVAL_S = 0.25
_HEARTBEAT_S = 20.0
_RECHECK_S = 60.0

BAD_FRAMES: Final = 4400
NOT_SIGNED_IN: Final = 4401
NO_ROLE: Final = 4403
TOO_MANY: Final = 4429
TOO_LARGE: Final = 1009


class LiveConsumer(AsyncConsumer):  # type: ignore[misc]  # Channels has no types
    """One open page. News wait in a digest, which goes out four times a second."""

    channel_layer_alias = live.LAYER
    _open: ClassVar[Counter[int]] = Counter()

    def __init__(self) -> None:
        self._listener: Listener | None = None
        self._language = settings.LANGUAGE_CODE
        self._topics: frozenset[str] = frozenset()
        self._digest = Digest()
        self._waiting = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._bad_frames = 0
        self._seq = 0
        self._last_number: int | None = None
        self._allowance = float(_MOST_MESSAGES_A_SECOND)
        self._counted_at = time.monotonic()

    # --- opening and closing ---
    async def websocket_connect(self, message: dict[str, Any]) -> None:
        """Accept first: a browser sees no code of a handshake that was refused."""
        await self.send({"type": "websocket.accept"})
        refusal = await self._admit()
        if refusal is not None:
            await self._close(refusal)
            return
        await self.channel_layer.group_add(live.GROUP, self.channel_name)
        await self._tell({"type": "welcome"})
        for work in (self._flush(), self._beat(), self._recheck()):
            self._tasks.append(asyncio.create_task(work))

    async def _admit(self) -> int | None:
        # The middleware's user is a lazy stand-in: ask what it stands for.
        if not self.scope["user"].is_authenticated:
            return NOT_SIGNED_IN
        try:
            self._language = _language(self.scope["query_string"])
        except TooManyFieldsSent:
            return BAD_FRAMES
        listener = await listener_of(self.scope["user"], self._language)
        if listener is None:
            return NO_ROLE
        if self._open[listener.user_id] >= _MOST_CONNECTIONS:
            return TOO_MANY
        self._open[listener.user_id] += 1
        self._listener = listener
        return None

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        """Leave nothing behind."""
        await self._release()
        raise StopConsumer

    async def _close(self, code: int) -> None:
        await self._release()
        # The peer may be gone already.
        with contextlib.suppress(RuntimeError):
            await self.send({"type": "websocket.close", "code": code})

    async def _release(self) -> None:
        if self._listener is None:
            return
        self._open[self._listener.user_id] -= 1
        if not self._open[self._listener.user_id]:
            del self._open[self._listener.user_id]
        self._listener = None
        await self.channel_layer.group_discard(live.GROUP, self.channel_name)
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()

    # --- what the page says ---
    async def websocket_receive(self, message: dict[str, Any]) -> None:
        """Answer a frame; what cannot be read costs one of five chances."""
        if self._listener is None:
            return
        text = message.get("text")
        if not self._within_rate():
            await self._close(TOO_MANY)
        elif text is not None and len(text.encode("utf-8", "replace")) > MOST_BYTES:
            await self._close(TOO_LARGE)
        else:
            await self._read(text)

    async def _read(self, text: str | None) -> None:
        try:
            if text is None:
                raise BadFrame("binary_not_supported", "Send text frames.")
            await self._answer(parse(text))
        except BadFrame as error:
            await self._refuse(error)

    async def _answer(self, frame: Frame) -> None:
        if frame.type == "unsubscribe":
            self._topics -= frame.topics
        else:
            self._topics |= frame.topics
            self._digest = Digest(frame.scope)
        answer = {"type": f"{frame.type}d", "topics": sorted(self._topics)}
        await self._tell(answer)
        if frame.since is not None:
            # Numbers are of one process's life; the database has what was missed.
            await self._tell({"type": "resync"})

    async def _refuse(self, error: BadFrame) -> None:
        self._bad_frames += 1
        await self._tell(
            {"type": "error", "code": error.code, "message": error.message}
        )
        if self._bad_frames >= _MOST_BAD_FRAMES:
            await self._close(BAD_FRAMES)

    def _within_rate(self) -> bool:
        now = time.monotonic()
        refill = (now - self._counted_at) * _MOST_MESSAGES_A_SECOND
        self._allowance = min(_MOST_MESSAGES_A_SECOND, self._allowance + refill) - 1
        self._counted_at = now
        return self._allowance >= 0

    # --- what the page is told ---
    async def live_news(self, message: dict[str, Any]) -> None:
        """Take news from the listener; a missing number means that some were dropped."""
        expected = None if self._last_number is None else self._last_number + 1
        self._last_number = message["number"]
        complete = message["complete"] and expected in (None, message["number"])
        self._digest.add(message["calls"], complete=complete)
        if self._topics and self._digest:
            self._waiting.set()

    async def _flush(self) -> None:
        while True:
            await self._waiting.wait()
            self._waiting.clear()
            listener = self._listener
            if listener is not None:
                for frame in self._digest.take(self._topics, listener):
                    self._seq += 1
                    await self._tell(frame | {"seq": self._seq})
            await asyncio.sleep(_FRAME_INTERVAL_S)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_HEARTBEAT_S)
            await self._tell({"type": "heartbeat"})

    async def _recheck(self) -> None:
        while True:
            await asyncio.sleep(_RECHECK_S)
            user = await signed_in(self.scope)
            listener = await listener_of(user, self._language) if user else None
            if listener is None:
                await self._close(NO_ROLE if user else NOT_SIGNED_IN)
                return
            self._listener = listener

    async def _tell(self, frame: dict[str, Any]) -> None:
        # The peer may have gone while this was waiting.
        with contextlib.suppress(RuntimeError):
            text = orjson.dumps(frame).decode()
            await self.send({"type": "websocket.send", "text": text})


def _language(query: bytes) -> str:
    """Return the page's language, which it names in the socket's address."""
    chosen = QueryDict(query).get("language", "")
    return chosen if chosen in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE
