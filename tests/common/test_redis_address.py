"""Every kind of URL that names a Redis."""

import asyncio
import contextlib
import datetime as dt
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from devora_ops.common.redis_address import parse_address
from devora_ops.common.redis_line import RedisLine
from tests.own_redis import OwnRedis


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A key and a certificate of its own for `localhost`, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    path = tmp_path / "certificate.pem"
    path.write_bytes(
        key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + made.public_bytes(pem)
    )
    return path


class Forwarder:
    """Hands connections on to Redis: what ends TLS, or a socket, in front of it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        from_redis, to_redis = await asyncio.open_connection("127.0.0.1", self._port)
        await asyncio.gather(_copy(reader, to_redis), _copy(from_redis, writer))

    async def ended(self) -> None:
        """Wait until both sides of every connection are closed."""
        await asyncio.gather(*self._tasks)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


@pytest.fixture
async def forwarder(own_redis: OwnRedis) -> AsyncIterator[Forwarder]:
    forwarder = Forwarder(own_redis.port)
    yield forwarder
    await forwarder.ended()


@pytest.fixture
async def tls_port(forwarder: Forwarder, certificate: Path) -> AsyncIterator[int]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    server = await asyncio.start_server(forwarder, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def echoes(url: str) -> bool:
    line = RedisLine(url, timeout_s=2)
    await line.start()
    try:
        return line.is_up and await line.call("ECHO", "x" * 50_000) == b"x" * 50_000
    finally:
        await line.stop()


def of(server: OwnRedis) -> str:
    """Return the part of its URL that names its password."""
    return server.url.removeprefix("redis://").partition("@")[0]


async def test_tls_is_spoken_to_a_server_that_is_trusted(
    own_redis: OwnRedis, tls_port: int, certificate: Path
):
    url = f"rediss://{of(own_redis)}@localhost:{tls_port}/0"

    assert await echoes(f"{url}?ssl_ca_certs={certificate}")
    assert await echoes(f"{url}?ssl_cert_reqs=none")
    assert await echoes(f"{url}?ssl_cert_reqs=CERT_NONE")


async def test_a_certificate_that_nobody_vouches_for_is_refused(
    own_redis: OwnRedis, tls_port: int
):
    assert not await echoes(f"rediss://{of(own_redis)}@localhost:{tls_port}/0")


async def test_a_unix_socket_is_opened(
    own_redis: OwnRedis, forwarder: Forwarder, tmp_path: Path
):
    path = tmp_path / "redis socket"
    async with await asyncio.start_unix_server(forwarder, path):
        url = f"unix://{of(own_redis)}@{path}?db=1".replace(" ", "%20")
        assert await echoes(url)


def test_a_url_says_where_who_and_which_database():
    address = parse_address("redis://user:p%40ss@redis.internal:6380/5")

    assert (address.host, address.port, address.db) == ("redis.internal", 6380, 5)
    assert (address.username, address.password) == ("user", "p@ss")
    assert parse_address("redis://localhost?db=2").db == 2
    assert parse_address("redis://").host == "127.0.0.1"
    assert parse_address("unix:///run/redis.sock?db=3").path == "/run/redis.sock"


def test_an_address_does_not_show_its_password():
    address = parse_address("redis://user:secret@localhost/0")

    assert "secret" not in f"{address} {address!r}"


@pytest.mark.parametrize(
    "url", ["http://localhost", "localhost:6379", "", "redis://h/x"]
)
def test_what_is_no_address_is_refused(url: str):
    with pytest.raises(ValueError, match="Redis URL"):
        parse_address(url)
