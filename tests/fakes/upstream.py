"""A provider that answers every request with what it was told to, sense or nonsense."""

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.installation_under_test import Installation


class Upstream(ThreadingHTTPServer):
    """Answers every POST alike; `asked` keeps the bodies that came."""

    daemon_threads = True
    status, headers, body = 200, {"Content-Type": "application/json"}, b"{}"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[Any] = []

    @property
    def url(self) -> str:
        """Its root."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def say(self, answer: Any, *, status: int = 200, **headers: str) -> None:
        """Answer with bytes as they are, or with anything else as JSON."""
        self.status = status
        self.headers = {"Content-Type": "application/json", **headers}
        self.body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()

    def say_stream(self, *chunks: Any) -> None:
        """Answer with chunks, bytes as they are, and a proper end."""
        events = [
            chunk if isinstance(chunk, bytes) else json.dumps(chunk).encode()
            for chunk in chunks
        ]
        self.say(b"".join(b"data: %s\n\n" % each for each in [*events, b"[DONE]"]))
        self.headers = {"Content-Type": "text/event-stream"}


class _Handler(BaseHTTPRequestHandler):
    server: Upstream

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append(json.loads(asked))
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def running() -> Iterator[Upstream]:
    """Run one."""
    with Upstream() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()


def model_of(
    installation: Installation,
    upstream: Upstream,
    *,
    kind: str = "compatible",
    **more: Any,
) -> str:
    """Make a model of a provider of its own, so that no breaker opens for others.

    A million tokens cost one dollar when they go in and ten when they come out; more:
    other columns of its price.
    """
    from django.utils import timezone

    slug = f"odd-{uuid.uuid4().hex[:8]}"
    with installation.orm():
        from costs.models import Price
        from llm.services import provider_ensure

        provider_ensure(
            slug=slug,
            kind=kind,
            base_url=f"{upstream.url}/v1",
            secret="x",
            from_environment=True,
        )
        Price.objects.create(
            model=f"{slug}/m",
            input=Decimal("0.000001"),
            output=Decimal("0.00001"),
            valid_from=timezone.now(),
            source="test",
            **more,
        )
    installation.caller()  # once a younger key is taken, the model is known
    return f"{slug}/m"
