"""Just enough HTTP/1.1 to know where an answer ends."""

import re

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)")
_CHUNKED = b"\r\ntransfer-encoding: chunked"
_HEAD_END = b"\r\n\r\n"
_ENDS = (b"data: [DONE]", b"event: message_stop")


class Answer:
    """The bytes of one answer, read just far enough to know when it is whole."""

    __slots__ = ("_at", "_body_at", "_chunked", "_end", "_received", "status")

    def __init__(self) -> None:
        self.status = 0
        self._received = bytearray()
        self._body_at = 0
        self._at = 0  # the next chunk
        self._end = 0
        self._chunked = False

    @property
    def has_body(self) -> bool:
        """Whether a byte of the body has come."""
        return 0 < self._body_at < len(self._received)

    @property
    def head(self) -> bytes:
        """The status line and the headers, once they have come."""
        return bytes(self._received[: self._body_at])

    @property
    def body(self) -> bytes:
        """What has come of the body, with the sizes between its chunks."""
        return bytes(self._received[self._body_at :])

    @property
    def says_done(self) -> bool:
        """Whether a stream ended as it should."""
        tail = self._received[-96:]
        return any(end in tail for end in _ENDS)

    def feed(self, data: bytes) -> bool:
        """Take bytes in; says whether the answer is whole."""
        self._received += data
        if not self._body_at and not self._read_head():
            return False
        return self._chunks_end() if self._chunked else len(self._received) >= self._end

    def _read_head(self) -> bool:
        end = self._received.find(_HEAD_END)
        if end < 0:
            return False
        head = bytes(self._received[:end]).lower()
        self.status = int(head[9:12])
        self._at = self._body_at = end + len(_HEAD_END)
        self._chunked = _CHUNKED in head
        length = _LENGTH.search(head)
        self._end = self._at + (int(length[1]) if length else 0)
        return True

    def _chunks_end(self) -> bool:
        """Go from chunk to chunk as far as they have come."""
        while (end_of_size := self._received.find(b"\r\n", self._at)) >= 0:
            size = int(self._received[self._at : end_of_size], 16)
            after = end_of_size + 2 + size + 2
            if after > len(self._received):
                return False
            self._at = after
            if size == 0:
                return True
        return False
