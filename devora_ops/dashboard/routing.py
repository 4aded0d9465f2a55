"""Where sockets connect: only our own pages, only to addresses that exist."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from channels.auth import AuthMiddlewareStack
from channels.routing import URLRouter
from django.conf import settings
from django.urls import path, re_path

from devora_ops.dashboard.consumers import LiveConsumer

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

log = logging.getLogger("[Live]")


class ExactOrigin:
    """Refuses a handshake from any other origin than ours, spelt exactly so.

    Channels' own validator raises on `https://[::1`, and admits every port of a host.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origins = [value for name, value in scope["headers"] if name == b"origin"]
        if len(origins) == 1 and origins[0] in _own_origins():
            await self._application(scope, receive, send)
        else:
            log.info("refused a socket from origin %.100r", origins)
            await refuse(scope, receive, send)


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse the handshake; the server answers 403."""
    await receive()
    await send({"type": "websocket.close"})


async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 404 where the server can, and refuse where it cannot."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await refuse(scope, receive, send)
        return
    await receive()
    start = {"type": "websocket.http.response.start", "status": 404, "headers": []}
    await send(start)
    await send({"type": "websocket.http.response.body", "body": b""})


def _own_origins() -> set[bytes]:
    own = {settings.DEVORA_URL, *settings.CSRF_TRUSTED_ORIGINS}
    url = urlsplit(settings.DEVORA_URL)
    if url.hostname in ("127.0.0.1", "localhost", "::1"):
        port = f":{url.port}" if url.port else ""
        own |= {f"{url.scheme}://{host}{port}" for host in _LOOPBACK}
    return {origin.lower().encode() for origin in own}


websocket_urlpatterns = [
    path("ws/live/", LiveConsumer.as_asgi()),
    re_path(r"", not_found),  # type: ignore[arg-type]  # Channels' router takes ASGI
]
websocket_application: Application = ExactOrigin(
    AuthMiddlewareStack(URLRouter(websocket_urlpatterns))
)
