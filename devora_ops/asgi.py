"""Wiring: the gateway, the pages and the sockets of one web process.

`/v1/…` goes to the gateway, which knows nothing of Django; probes are answered here;
everything else is Django's and Channels'.
"""

import asyncio
import contextlib
import gc
import os
import sys
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "devora_ops.settings")

import django

django.setup(set_prefix=False)  # before anything that imports models

from django.conf import settings

from devora_ops import celery
from devora_ops.common.body_limit import BodyLimit
from devora_ops.dashboard.live import LiveListener
from devora_ops.dashboard.routing import websocket_application
from devora_ops.expansion import Expansion
from devora_ops.http_protocol import DOOR
from devora_ops.metrics import MetricsEndpoint
from devora_ops.orphans import hurry_when_orphaned
from devora_ops.page_handler import PageHandler
from devora_ops.probes import Probes
from devora_ops.quality_metrics import QualityMetrics
from llm.gateway.app import Gateway, GatewayConfig
from llm.gateway.http import Receive, Scope, Send

__all__ = ["application", "celery"]

_STOP_S = 3.0  # longer than the ledger takes

_django = BodyLimit(PageHandler())  # type: ignore[arg-type]
_expansion = Expansion(settings.DATABASE_URL)
_gateway = Gateway(
    GatewayConfig(
        database_url=settings.DATABASE_URL,
        redis_url=settings.REDIS_URL,
        field_keys=tuple(settings.DEVORA_FIELD_KEYS),
        store_content=settings.DEVORA_STORE_CONTENT,
        data_folder=settings.DEVORA_DATA,
        expand=_expansion.expand,
        snapshots=_expansion.snapshots,
        processes=settings.WEB_CONCURRENCY,
    )
)
_metrics = MetricsEndpoint(
    _gateway.metrics,
    settings.DEVORA_METRICS_TOKEN,
    quality=QualityMetrics(settings.DATABASE_URL),
)
_live = LiveListener(settings.DATABASE_URL)
_probes = Probes(settings.DATABASE_URL)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Send a connection to the plane that serves it."""
    if scope["type"] == "lifespan":
        scope.get("state", {})[DOOR] = _Door()
        await _lifespan(receive, send)
    elif scope["type"] == "websocket":
        await websocket_application(scope, receive, send)  # type: ignore[arg-type]
    elif _is_gateways(scope["path"]):
        await _gateway(scope, receive, send)
    elif scope["path"] == MetricsEndpoint.path:
        await _metrics(scope, receive, send)
    elif scope["path"] in _probes.paths:
        await _probes(scope, receive, send)
    else:
        await _django(scope, receive, send)


def _is_gateways(path: str) -> bool:
    return path.lstrip("/")[:3].lower() == "v1/"  # its errors are JSON


class _Door:
    """Refuses calls that would only wait; pages stay."""

    is_full = staticmethod(_gateway.is_full)

    def turn_away(
        self, path: str, headers: Iterable[tuple[bytes, bytes]]
    ) -> bytes | None:
        return _gateway.turn_away(path, headers) if _is_gateways(path) else None


def _spare_the_collector() -> None:
    """Have the garbage collector leave alone what stays, and come less often.

    Going through all of Django again and again cost a call a tenth of its time; a
    call's own objects are in no cycles, so that few wait for the collector at all.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _share_the_interpreter() -> None:
    """Have threads that render pages give way ten times as often.

    The loop asks for the interpreter anew at each event: while a page is rendered, it
    would serve one event in five milliseconds.
    """
    sys.setswitchinterval(0.0005)


async def _lifespan(receive: Receive, send: Send) -> None:
    await receive()
    hurry_when_orphaned()
    starts: list[Callable[[], Awaitable[Any]]] = [
        _gateway.start,  # first: it raises when Postgres is away
        _expansion.start,
        _live.start,
    ]
    try:
        for start in starts:
            await start()
    except Exception as error:
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        return
    _spare_the_collector()
    _share_the_interpreter()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    # What calls left to write comes first, then what they read from.
    for stop in (_gateway.stop, _live.stop, _expansion.stop):
        # Money is written by now or in the journal; the rest may be cut off.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                await stop()
    await send({"type": "lifespan.shutdown.complete"})
