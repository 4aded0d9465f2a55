"""Handshakes that no socket can come of, to a real server."""

import socket

import pytest


def handshake(installation, *, path="/ws/live/", headers=()):
    """Ask for a socket; return what the server answers until it closes."""
    asked = (
        f"GET {path} HTTP/1.1",
        f"Host: 127.0.0.1:{installation.port}",
        f"Origin: {installation.url}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        *headers,
        "\r\n",
    )
    with socket.create_connection(("127.0.0.1", installation.port), timeout=5) as line:
        line.sendall("\r\n".join(asked).encode())
        return b"".join(iter(lambda: line.recv(65536), b""))


@pytest.mark.parametrize("size", [9_000, 60_000])
def test_an_address_beyond_eight_kilobytes_is_refused_at_once(installation, size):
    answer = handshake(installation, path="/ws/live/?q=" + "a" * size)
    assert answer.startswith(b"HTTP/1.1 414 ")


def test_a_header_beyond_eight_kilobytes_is_refused_at_once(installation):
    answer = handshake(installation, headers=["Cookie: a=" + "b" * 9_000])
    assert answer.startswith(b"HTTP/1.1 431 ")


def test_too_many_headers_are_refused_at_once(installation):
    headers = [f"X-{n}: 1" for n in range(200)]
    answer = handshake(installation, headers=headers)
    assert answer.startswith(b"HTTP/1.1 431 ")
