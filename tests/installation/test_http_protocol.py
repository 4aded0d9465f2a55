"""What guards the server's end of a request, on real connections."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from devora_ops.embedded.ports import free_port
from devora_ops.http_protocol import DOOR, GuardedProtocol

_FULL = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nfull"
_OK = b"HTTP/1.1 200 OK\r\n"
_LONG = b"x" * 20_000_000  # more than the kernel takes in
_ASK = b"POST /%b HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n%b\r\n"


class _Door:
    """Takes nobody in who asks for what is full."""

    def is_full(self):
        return True

    def turn_away(self, path, headers):
        return _FULL if path.endswith("/full") else None


async def _app(scope, receive, send):
    if scope["type"] == "lifespan":
        scope["state"][DOOR] = _Door()
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        return
    await receive()
    body = _LONG if scope["path"] == "/long" else b"ok"
    headers = [(b"content-length", str(len(body)).encode()), (b"x-said", b"caf\xe9\t1")]
    if scope["path"] == "/split":
        headers.append((b"x-more", b"1\r\nx-injected: 2"))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if scope["path"] == "/fails":
        raise RuntimeError
    await send({"type": "http.response.body", "body": body})


class _Impatient(GuardedProtocol):
    reader_patience_s = 2.0


@contextlib.asynccontextmanager
async def _serving(
    protocol: type[HttpToolsProtocol] = GuardedProtocol, **settings: Any
) -> AsyncIterator[int]:
    port = free_port()
    config = uvicorn.Config(
        _app,
        port=port,
        http=protocol,
        log_level="error",
        lifespan="on",
        log_config=None,
        **settings,
    )
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[assignment, method-assign]
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 (uvicorn has no event for it)
        await asyncio.sleep(0.01)
    try:
        yield port
    finally:
        server.should_exit = True
        await task


async def _told(port: int, *requests: bytes, answers: bytes, times: int = 1) -> bytes:
    """Send requests on one connection; return what came back once it ends so."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    told = b""
    for request in requests:
        writer.write(request)
    while told.count(answers) < times:
        more = await asyncio.wait_for(reader.read(4096), 5)
        if not more:
            break
        told += more
    writer.close()
    return told


def _ask(path: bytes, body: bytes = b"", headers: bytes = b"") -> bytes:
    return _ASK % (path, len(body), headers) + body


async def test_it_is_answered_with_what_the_application_says():
    async with _serving() as port:
        assert await _told(port, _ask(b"full"), answers=b"full") == _FULL


@pytest.mark.parametrize(
    "asked",
    [
        _ask(b"room"),
        _ask(b"room", headers=b"Connection: close\r\n"),
        b"HEAD /room HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n",
        b"POST /room HTTP/1.0\r\n\r\n",
    ],
    ids=["kept", "last", "head", "old"],
)
async def test_an_answer_is_byte_for_byte_uvicorns_own(asked):
    told = []
    for protocol in (HttpToolsProtocol, GuardedProtocol):
        async with _serving(protocol, date_header=False) as port:
            told.append(await _told(port, asked, answers=b"\r\n\r\nok"))
    assert told[0] == told[1] != b""


async def test_a_whole_answer_leaves_in_one_piece():
    async with _serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(_ask(b"room"))
        assert (await reader.read(4096)).endswith(b"ok")
        writer.close()


async def test_an_application_that_fails_after_its_head_has_said_nothing_yet():
    async with _serving() as port:
        told = await _told(port, _ask(b"fails"), answers=b"Internal Server Error")
    assert told.startswith(b"HTTP/1.1 500 ")


async def test_a_line_break_in_a_header_begins_no_other():
    async with _serving() as port:
        assert await _told(port, _ask(b"split"), answers=b"ok") == b""


async def test_its_connection_serves_the_next_and_its_body_is_dropped():
    async with _serving() as port:
        told = await _told(
            port, _ask(b"full", b"x" * 9000), _ask(b"room", b"y"), answers=b"ok"
        )
    assert told.startswith(_FULL + _OK)


async def test_a_request_in_two_pieces_is_refused_once_wherever_it_was_cut():
    refused, served = _ask(b"v1/full", b"x" * 90), _ask(b"v1/room", b"y")
    async with _serving() as port:
        for cut in range(1, len(refused) + 1):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(refused[:cut])
            await asyncio.sleep(0.001)
            writer.write(refused[cut:] + served)
            told = await asyncio.wait_for(reader.readuntil(b"ok"), 5)
            assert told.startswith(_FULL + _OK)
            writer.close()


@pytest.mark.parametrize("body", [0, 1, 9000, 1_000_000])
async def test_one_refused_at_a_glance_may_ask_again(body):
    async with _serving() as port:
        asked = [_ask(b"v1/full", b"x" * body), _ask(b"v1/room", b"x" * body)] * 3
        told = await _told(port, *asked, answers=b"ok", times=3)
    assert told.count(b"full") == 3


async def test_one_refused_at_a_glance_is_let_go_when_he_asks_no_more():
    async with _serving(timeout_keep_alive=1) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(_ask(b"v1/full", b"x" * 9))
        assert await asyncio.wait_for(reader.read(), 10) == _FULL
        writer.close()


async def test_those_sent_without_waiting_are_answered_in_their_order():
    async with _serving() as port:
        asked = _ask(b"room") + _ask(b"full") + _ask(b"room")
        told = await _told(port, asked, answers=b"ok", times=2)
    assert told.index(_OK) < told.index(_FULL) < told.rindex(_OK)


async def test_one_who_wants_no_more_is_let_go():
    async with _serving() as port:
        asked = _ask(b"full", headers=b"Connection: close\r\n")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(asked)
        told = await asyncio.wait_for(reader.read(), 5)
        writer.close()
    assert told.startswith(b"HTTP/1.1 503 ")
    assert told.endswith(b"full")


async def test_the_last_answer_says_that_it_is_the_last():
    async with _serving() as port:
        asked = b"POST /full HTTP/1.0\r\n\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(asked)
        told = await asyncio.wait_for(reader.read(), 5)
        writer.close()
    assert b"connection: close\r\n" in told
    assert told.endswith(b"full")


async def test_a_head_has_no_body():
    async with _serving() as port:
        asked = b"HEAD /full HTTP/1.1\r\nHost: here\r\n\r\n"
        told = await _told(port, asked, _ask(b"room"), answers=b"ok")
    assert told.startswith(_FULL.removesuffix(b"full") + _OK)


async def test_one_who_reads_no_answer_is_cut_off():
    async with _serving() as port:
        assert await asyncio.to_thread(_is_cut_off, port)


def _is_cut_off(port: int) -> bool:
    """Ask without end and read nothing; say whether that was ended."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as caller:
        for _ in range(2000):
            try:
                caller.sendall(_ask(b"full") * 1000)
            except ConnectionError:
                return True
    return False


async def test_one_who_stops_reading_half_way_is_cut_off():
    async with _serving(_Impatient) as port:
        assert await asyncio.to_thread(_read_long, port, begins_s=6) < len(_LONG)


async def test_one_who_reads_with_pauses_gets_all_of_it():
    async with _serving(_Impatient) as port:
        assert await asyncio.to_thread(_read_long, port, pauses_s=0.02) > len(_LONG)


def _read_long(port: int, *, begins_s: float = 0, pauses_s: float = 0) -> int:
    """Read a long answer, late or with pauses; return how much of it came."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as caller:
        caller.sendall(_ask(b"long", headers=b"Connection: close\r\n"))
        time.sleep(begins_s)
        read = 0
        with contextlib.suppress(ConnectionError):
            while piece := caller.recv(1_000_000):
                read += len(piece)
                time.sleep(pauses_s)
        return read


async def test_what_is_left_of_a_refused_request_holds_no_connection():
    async with _serving(timeout_keep_alive=1) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(_ASK % (b"full", 10, b"") + b"half")
        assert await reader.read(len(_FULL)) == _FULL
        writer.write(b"more")
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()


async def test_a_socket_on_a_used_connection_stays_open():
    async with _serving(timeout_keep_alive=1) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(_ask(b"room"))
        await reader.readuntil(b"ok")
        writer.write(
            b"GET / HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(), 2)
        writer.close()


async def test_hundreds_may_wait_behind_one():
    async with _serving() as port:
        asked = _ask(b"room") + _ask(b"full") * 1500 + _ask(b"room")
        told = await _told(port, asked, answers=b"ok", times=2)
    assert told.count(b"full") == 1500


@pytest.mark.parametrize("waiting", [40])
async def test_a_busy_loop_lets_in_more_than_one_a_turn(waiting: int):
    from devora_ops.listening import Loop

    def count() -> int:
        with asyncio.Runner(loop_factory=Loop) as runner:
            return runner.run(_turns_until_accepted(waiting))

    assert await asyncio.to_thread(count) < waiting / 2


async def _turns_until_accepted(waiting: int) -> int:
    """Return how many turns a loop needs for so many that wait already."""
    loop, accepted = asyncio.get_running_loop(), []
    listening = socket.create_server(("127.0.0.1", 0), backlog=waiting)
    port = listening.getsockname()[1]
    callers = [socket.create_connection(("127.0.0.1", port)) for _ in range(waiting)]

    class Greeter(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            accepted.append(transport)

    server = await loop.create_server(Greeter, sock=listening, backlog=waiting)
    turns = 0
    while len(accepted) < waiting:
        await asyncio.sleep(0)
        turns += 1
    server.close()
    await server.wait_closed()
    for caller in callers:
        caller.close()
    return turns
