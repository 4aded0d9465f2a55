"""What is read at a glance is what the parser reads."""

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devora_ops.http_glance import glance

_NAMES = st.sampled_from(
    [
        *("Host", "Content-Length", "content-length", "Connection", "Expect"),
        *("Transfer-Encoding", "Upgrade", "X-Request-Id", "Content-Length ", " Host"),
        *("X-Content-Length", "Authorization", "Accept\t", ""),
    ]
)
_VALUES = st.sampled_from(
    [
        *("0", "7", "+7", "7, 7", "007", "7 ", "0x7", "", "-1", "1e1", "٧"),
        *("close", "keep-alive", "Keep-Alive", "chunked", "100-continue", "Upgrade"),
        *("websocket", "Id_1-a", "a b", "a\r\nContent-Length: 3", "a\n b", "caf\xe9"),
    ]
)
_HEADS = st.builds(
    lambda start, lines, end: (
        start + "".join(f"{name}:{value}{end}" for name, value in lines) + end
    ).encode(),
    st.sampled_from(
        [
            *("POST /v1/messages HTTP/1.1\r\n", "POST /v1/a%20b HTTP/1.1\r\n"),
            *("GET /v1/models HTTP/1.1\r\n", "POST /v1/x HTTP/1.0\r\n"),
            *("POST /v1/x?y=1 HTTP/1.1\r\n", "post /v1/x HTTP/1.1\r\n"),
            *("POST  /v1/x HTTP/1.1\r\n", "POST /v1/x HTTP/1.1\n", "\r\n"),
        ]
    ),
    st.lists(st.tuples(_NAMES, st.one_of(_VALUES, _VALUES.map(" {}".format)))),
    st.sampled_from(["\r\n", "\r\n", "\n"]),
)


class _Parsed:
    """What the parser makes of a request."""

    url = b""
    ids: tuple[bytes, ...] = ()
    is_complete = False

    def __init__(self, data: bytes) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"x-request-id":
            self.ids = (*self.ids, value)

    def on_headers_complete(self) -> None:
        assert not self._parser.should_upgrade()
        assert self._parser.should_keep_alive()

    def on_message_complete(self) -> None:
        assert not self.is_complete
        self.is_complete = True


@given(_HEADS)
def test_a_request_that_is_clear_at_a_glance_is_what_the_parser_reads(head):
    seen = glance(head)
    if seen is None:
        return
    body = b"x" * (seen.size - len(head))
    parsed = _Parsed(head + body)
    assert parsed.is_complete
    assert parsed.url.decode() == seen.path
    assert [it for it in parsed.ids if it] == [it for it in seen.request_ids if it]
    if body:
        assert not _Parsed(head + body[1:]).is_complete


def test_what_clients_send_is_clear_at_a_glance():
    seen = glance(
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n"
        b"Accept: application/json\r\nConnection: keep-alive\r\n"
        b"User-Agent: OpenAI/Python 1.0 (x; y)\r\nX-Request-Id: Asked-1\r\n"
        b"Content-Length: 12\r\n\r\n{"
    )
    assert seen is not None
    assert seen.path == "/v1/chat/completions"
    assert seen.request_ids == [b"Asked-1"]


@pytest.mark.parametrize(
    "line",
    [
        *("Transfer-Encoding: chunked", "Expect: 100-continue", "Connection: close"),
        *("Upgrade: websocket", "Content-Length: 3", "Content-Length: x"),
    ],
)
def test_what_is_unusual_is_not(line):
    head = b"POST /v1/messages HTTP/1.1\r\nContent-Length: 3\r\n%b\r\n\r\n"
    assert glance(head % line.encode()) is None
