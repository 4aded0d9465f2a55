"""A browser's end of the live socket, inside the test's own transaction."""

import functools
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from asgiref.sync import async_to_sync
from asgiref.testing import ApplicationCommunicator
from django.conf import settings
from django.test import Client

from devora_ops.dashboard import live
from devora_ops.dashboard.routing import websocket_application

PATH = "/ws/live/"


class Page(ApplicationCommunicator):
    """One connection; Channels' own communicator asks for another server's package."""

    async def connect(self) -> bool:
        """Ask for the handshake; say whether it was accepted."""
        await self.send_input({"type": "websocket.connect"})
        answer = await self.receive_output(10)
        return bool(answer["type"] == "websocket.accept")

    async def say(self, frame: object) -> None:
        """Send a JSON text frame."""
        await self.send_input({"type": "websocket.receive", "text": json.dumps(frame)})

    async def send(self, **frame: Any) -> None:
        """Send a frame as the server hands it over: text, or bytes."""
        await self.send_input({"type": "websocket.receive", **frame})

    async def hear(self) -> Any:
        """Return the next frame."""
        return json.loads((await self.receive_output(10))["text"])

    async def leave(self) -> None:
        """Close from this end."""
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait(10)


def on_a_loop(test: Callable[..., Any]) -> Callable[..., None]:
    """Run a test's coroutine so that database calls stay on the test's connection."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        async_to_sync(test)(*args, **kwargs)

    return run


def signed_in(person: Any) -> bytes:
    """Return the cookie header of a person's session."""
    browser = Client()
    browser.force_login(person)
    cookie = browser.cookies[settings.SESSION_COOKIE_NAME].value
    return f"{settings.SESSION_COOKIE_NAME}={cookie}".encode()


def socket(
    cookie: bytes = b"", *, origin: bytes | None = None, path: str = PATH
) -> Page:
    """Return a connection that has not begun; its origin is our own unless named."""
    own = settings.DEVORA_URL.encode() if origin is None else origin
    way, _mark, query = path.partition("?")
    scope = {
        "type": "websocket",
        "path": unquote(way),
        "query_string": query.encode(),
        "headers": [(b"cookie", cookie), *([(b"origin", own)] if own else [])],
        "subprotocols": [],
    }
    return Page(websocket_application, scope)


async def connected(cookie: bytes) -> Page:
    """Return an open connection that has been welcomed."""
    opened = socket(cookie)
    assert await opened.connect()
    assert await opened.hear() == {"type": "welcome"}
    return opened


async def subscribed(cookie: bytes, **filters: list[str]) -> Page:
    """Return a connection that has subscribed to everything."""
    opened = await connected(cookie)
    topics = ["calls", "kpi"]
    await opened.say({"type": "subscribe", "topics": topics, "filters": filters})
    assert await opened.hear() == {"type": "subscribed", "topics": topics}
    return opened


async def closed_with(opened: Page) -> int:
    """Return the code that the server closes with, after whatever it still says."""
    while True:
        event = await opened.receive_output(10)
        if event["type"] == "websocket.close":
            return int(event["code"])


async def settle(*calls: dict[str, Any], number: int, complete: bool = True) -> None:
    """Let this process hear of settled calls, as its listener would."""
    from channels.layers import get_channel_layer

    news = {"number": number, "calls": list(calls), "complete": complete}
    layer = get_channel_layer(live.LAYER)
    await layer.group_send(live.GROUP, {"type": live.MESSAGE, **news})
