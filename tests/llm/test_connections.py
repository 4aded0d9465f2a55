"""The client that calls providers: what it makes of servers, well-behaved and not."""

import asyncio
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from llm.gateway.connection import AnswerTooLarge, ConnectionBroken
from llm.gateway.upstream import (
    MOST_ANSWER_BYTES,
    AddressForbidden,
    CertificateInvalid,
    NotReached,
    UpstreamClient,
)
from llm.policy import USUAL, RoutePolicy
from llm.snapshot import Upstream

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
HASTY = RoutePolicy(connect_s=0.3, first_byte_s=0.3, between_chunks_s=0.3, total_s=0.6)

Say = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Provider:
    """A server that takes requests and says whatever it is told to."""

    def __init__(self) -> None:
        self.connections = 0
        self.requests: list[bytes] = []
        self.asked, self.hung_up = asyncio.Event(), asyncio.Event()
        self.say: Say = self.saying(OK)
        self.port = 0

    def saying(self, *pieces: bytes, then_close: bool = False) -> Say:
        """Return an answer in pieces that leave one by one."""

        async def say(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            if then_close:
                writer.close()

        return say

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r")[0])
                self.requests.append(head + await reader.readexactly(length))
                self.asked.set()
                await self.say(reader, writer)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            self.hung_up.set()
        finally:
            writer.close()


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    provider = Provider()
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    provider.port = server.sockets[0].getsockname()[1]
    yield provider
    server.close()


@pytest.fixture
async def client() -> AsyncIterator[UpstreamClient]:
    client = UpstreamClient()
    await client.start()
    yield client
    await client.stop()


async def post(client: UpstreamClient, port: int, **options: Any) -> tuple[int, bytes]:
    """Post, and return the status and the whole body."""
    with await begin(client, port, **options) as answer:
        return answer.status, await answer.body()


async def begin(
    client: UpstreamClient,
    port: int,
    *,
    stream: bool = False,
    policy: RoutePolicy = USUAL,
    url: str = "http://127.0.0.1:{port}/v1/chat?x=1",
    headers: dict[str, str] | None = None,
    internal: bool = True,
    sending: Callable[[], None] = lambda: None,
):
    upstream = Upstream("p", "compatible", "", internal, "secret")
    return await client.post(
        upstream,
        url.format(port=port),
        data=b"{}",
        headers={"Content-Type": "application/json", **(headers or {})},
        policy=policy,
        stream=stream,
        sending=sending,
    )


async def test_a_connection_serves_one_request_after_the_other(client, provider):
    for _ in range(3):
        assert await post(client, provider.port) == (200, b"hi")

    assert provider.connections == 1
    first = provider.requests[0]
    assert first.startswith(b"POST /v1/chat?x=1 HTTP/1.1\r\nHost: 127.0.0.1:")
    assert first.endswith(b"\r\n\r\n{}")


async def test_calls_at_once_have_connections_of_their_own(client, provider):
    answers = await asyncio.gather(*(post(client, provider.port) for _ in range(20)))

    assert answers == [(200, b"hi")] * 20
    assert provider.connections == 20


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
         b"2\r\nhi\r\n5;x=y\r\n, you\r\n0\r\nTrailer: t\r\n\r\n", b"hi, you"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
         + OK, b"hi"),
        (b"HTTP/1.1 200 \r\ncontent-length:0\r\n\r\n", b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_is_read_wherever_it_is_cut(
    client, provider, answer, body, stream
):
    for cut in range(len(answer)):
        provider.say = provider.saying(answer[:cut], answer[cut:])
        _, read = await post(client, provider.port, stream=stream)
        assert read == body
    provider.say = provider.saying(*(bytes([byte]) for byte in answer))
    assert (await post(client, provider.port, stream=stream))[1] == body
    assert provider.connections == 1


async def test_a_body_without_a_length_ends_with_its_connection(client, provider):
    provider.say = provider.saying(b"HTTP/1.1 200 OK\r\n\r\nhi", then_close=True)

    assert await post(client, provider.port) == (200, b"hi")
    assert await post(client, provider.port) == (200, b"hi")
    assert provider.connections == 2


@pytest.mark.parametrize("close", [b"Connection: close\r\n", b""])
async def test_a_connection_that_is_closed_is_not_used_again(client, provider, close):
    answer = b"HTTP/1.1 200 OK\r\n" + close + b"Content-Length: 2\r\n\r\nhi"
    provider.say = provider.saying(answer, then_close=not close)

    for _ in range(3):
        assert await post(client, provider.port) == (200, b"hi")
        await asyncio.sleep(0.02)  # the end of a connection takes a turn to be heard

    assert provider.connections == 3


async def test_a_second_answer_to_one_request_is_never_taken_for_the_next(
    client, provider
):
    provider.say = provider.saying(OK + OK.replace(b"hi", b"no"))

    for _ in range(3):
        assert await post(client, provider.port) == (200, b"hi")
    assert provider.connections == 3


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZ\r\nhi\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_without_a_proper_end_is_broken(client, provider, said, stream):
    provider.say = provider.saying(said, then_close=True)

    with pytest.raises(ConnectionBroken):
        await post(client, provider.port, stream=stream)

    provider.say = provider.saying(OK)
    assert await post(client, provider.port) == (200, b"hi")


async def test_nobody_fills_our_memory(client, provider):
    provider.say = provider.saying(
        b"HTTP/1.1 200 OK\r\n", *(b"X-%d: %s\r\n" % (n, b"x" * 999) for n in range(80))
    )
    with pytest.raises(AnswerTooLarge):
        await post(client, provider.port)

    chunk = b"100000\r\n" + b"x" * 2**20 + b"\r\n"
    provider.say = provider.saying(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        *[chunk] * (MOST_ANSWER_BYTES // 2**20 + 2),
    )
    with pytest.raises(AnswerTooLarge):
        await post(client, provider.port)


async def test_a_slow_reader_slows_the_provider_down(client, provider):
    chunk, sent = b"100000\r\n" + b"x" * 2**20 + b"\r\n", 0

    async def say(_: Any, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(40):
            writer.write(chunk)
            await writer.drain()
            sent += 1
        writer.write(b"0\r\n\r\n")

    provider.say = say
    patient = RoutePolicy(between_chunks_s=0.2)
    with await begin(client, provider.port, stream=True, policy=patient) as answer:
        await asyncio.sleep(0.6)  # longer than it may be silent: it was not the one
        assert sent < 20
        read = 0
        while piece := await answer.piece():
            read += len(piece)
        assert read == 40 * 2**20


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi"]
)
@pytest.mark.parametrize("stream", [False, True])
async def test_what_does_not_come_in_time_is_given_up(client, provider, said, stream):
    provider.say = provider.saying(said)

    with pytest.raises(TimeoutError):
        await post(client, provider.port, stream=stream, policy=HASTY)

    await asyncio.wait_for(provider.hung_up.wait(), 5)


async def test_a_stream_that_never_ends_ends_at_its_latest(client, provider):
    async def say(_: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"2\r\nhi\r\n")
            await writer.drain()
            await asyncio.sleep(0.05)

    provider.say = say
    with pytest.raises(TimeoutError):
        await post(client, provider.port, stream=True, policy=HASTY)


@pytest.mark.parametrize("stream", [False, True])
async def test_whoever_leaves_hangs_up(client, provider, stream):
    provider.say = provider.saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi")
    calling = asyncio.create_task(post(client, provider.port, stream=stream))
    await asyncio.wait_for(provider.asked.wait(), 5)

    calling.cancel()

    await asyncio.wait_for(provider.hung_up.wait(), 5)
    assert calling.cancelled() or await asyncio.wait([calling])


async def test_what_was_not_reached_was_not_sent(client, provider):
    told: list[str] = []

    def sending() -> None:
        told.append("sent")

    for url in ("http://127.0.0.1:1/", "http://nowhere.invalid/", "https://xn--a/"):
        with pytest.raises(NotReached):
            await begin(client, 0, url=url, sending=sending)
    with pytest.raises(AddressForbidden):
        await begin(client, provider.port, internal=False, sending=sending)
    secret = {"Authorization": "Bearer x\r\nX-Other: y"}
    with pytest.raises(NotReached):
        await begin(client, provider.port, headers=secret)

    assert not told
    assert not provider.requests


async def test_a_certificate_of_somebody_else_is_refused(client, tmp_path):
    provider = Provider()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate(tmp_path))
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]

    with pytest.raises(CertificateInvalid):
        await begin(client, port, url="https://127.0.0.1:{port}/")
    client.trust(tmp_path / "server.pem")
    assert await post(client, port, url="https://127.0.0.1:{port}/") == (200, b"hi")
    with pytest.raises(CertificateInvalid):
        await begin(client, port, url="https://localhost:{port}/")

    server.close()


async def test_a_server_that_speaks_no_tls_is_not_reached(client, provider):
    with pytest.raises(NotReached):
        await begin(
            client, provider.port, url="https://127.0.0.1:{port}/", policy=HASTY
        )
    assert not provider.requests


def certificate(folder: Path) -> Path:
    """Write a key and its own certificate for 127.0.0.1; return their file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "provider")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = folder / "server.pem"
    path.write_bytes(private + made.public_bytes(pem))
    return path
