"""A mail server and a Slack webhook that fail in the phase they are told to."""

import email
import email.policy
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

import orjson

# greeting: it is not there yet; hang-up: it accepts and is gone before it says so;
# stall: it accepts and never says so.
Phase = Literal["greeting", "mail", "rcpt", "data", "end", "hang-up", "stall"]


class MailServer(socketserver.ThreadingTCPServer):
    """Takes mail in; `failures` are the phases of the next connections that fail."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.failures: list[Phase] = []
        self.refused: frozenset[str] = frozenset()  # addresses that nobody has
        self.accepted: list[EmailMessage] = []
        # A client that waits for ever: its port, and the Message-ID that was accepted.
        self.stalled: int | None = None
        self.stalled_id: str | None = None

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])


class _Conversation(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        phase = self.server.failures.pop(0) if self.server.failures else None
        if phase == "greeting":
            self._say(b"421 not now")
            return
        self._say(b"220 here")
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb == b"QUIT":
                self._say(b"221 bye")
                return
            if verb in (b"EHLO", b"HELO"):
                self._say(b"250 here")
            elif verb == b"DATA":
                if not self._data(phase):
                    return
            else:
                self._say(self._reply(verb.decode().lower(), line, phase))

    def _reply(self, verb: str, line: bytes, phase: Phase | None) -> bytes:
        if verb == phase:
            return b"451 not now"
        if verb == "rcpt" and any(
            each.encode() in line for each in self.server.refused
        ):
            return b"550 nobody of that name"
        return b"250 ok"

    def _data(self, phase: Phase | None) -> bool:
        if phase == "data":
            self._say(b"451 not now")
            return True
        self._say(b"354 go on")
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b"."))
        if phase == "end":
            self._say(b"452 no room now")
            return True
        parsed = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
        self.server.accepted.append(parsed)
        if phase == "hang-up":
            return False
        if phase == "stall":
            self.server.stalled_id = str(parsed["Message-ID"])
            self.server.stalled = self.client_address[1]
            self.rfile.read()
            return False
        self._say(b"250 queued")
        return True

    def _say(self, line: bytes) -> None:
        self.wfile.write(line + b"\r\n")


class Slack(ThreadingHTTPServer):
    """A webhook; `answers` are the statuses of the next requests, with their headers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Webhook)
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.accepted: list[Any] = []

    @property
    def url(self) -> str:
        """Its secret address."""
        return f"http://127.0.0.1:{self.server_address[1]}/services/T0/B0/secret"


class _Webhook(BaseHTTPRequestHandler):
    server: Slack

    def do_POST(self) -> None:
        body = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answers = self.server.answers
        status, headers = answers.pop(0) if answers else (200, {})
        if status == 200:
            self.server.accepted.append(body)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(server: Any) -> Iterator[Any]:
    """Run a server in a thread."""
    with server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
