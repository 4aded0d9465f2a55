"""A real HTTP server that streams what it is told to, piece by piece."""

import json
import sys
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.client.gateway import HEADERS


class _Listener(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        # Hanging up is what some tests are about.
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class StreamingServer:
    """Answers every POST with the pieces of `script`.

    cut: the connection breaks after the last piece, in the middle of the answer.
    endless: the last piece is repeated until the other side hangs up.
    """

    def __init__(self) -> None:
        self.script: Sequence[bytes] = ()
        self.content_type = "text/event-stream"
        self.cut = False
        self.endless = False
        self.hung_up = threading.Event()
        self.bodies: list[Any] = []
        self._http = _Listener(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                size = int(self.headers["Content-Length"])
                server.bodies.append(json.loads(self.rfile.read(size)))
                self.send_response(200)
                for name, value in HEADERS.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", server.content_type)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self._stream()

            def _stream(self) -> None:
                for piece in server.script:
                    self._write(piece)
                try:
                    while server.endless:
                        self._write(server.script[-1])
                except OSError:
                    server.hung_up.set()
                    server.endless = False
                    self.close_connection = True
                    return
                if server.cut:
                    self.close_connection = True
                else:
                    self.wfile.write(b"0\r\n\r\n")

            def _write(self, piece: bytes) -> None:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                self.wfile.flush()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler
