"""`/healthz` says that the process lives, `/readyz` that it can serve."""

import asyncio

import psycopg

from devora_ops.common import request_ids
from devora_ops.common.postgres import connect
from llm.gateway.http import Receive, Scope, Send


class Probes:
    """One status word each, open to everyone; liveness never looks further than us."""

    paths = frozenset({"/healthz", "/readyz"})

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a probe."""
        alive = scope["path"] == "/healthz" or await self._ready()
        await send(
            {
                "type": "http.response.start",
                "status": 200 if alive else 503,
                "headers": [
                    (b"content-type", b"text/plain"),
                    (b"cache-control", b"no-store"),
                    (request_ids.HEADER, request_ids.of(scope["headers"]).encode()),
                ],
            }
        )
        body = b"ok" if alive else b"unavailable"
        await send({"type": "http.response.body", "body": body})

    async def _ready(self) -> bool:
        try:
            async with asyncio.timeout(2):
                connection = await connect(
                    self._database_url, application="devora-readiness"
                )
                async with connection:
                    await connection.execute("SELECT 1 FROM costs_owner LIMIT 1")
        except (psycopg.Error, OSError, TimeoutError):
            return False
        return True
