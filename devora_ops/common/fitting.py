"""Bytes that stay, in no more memory than they need."""


def fitted(data: bytes) -> bytes:
    """Return a copy that takes as much memory as its length says.

    orjson leaves what it writes in the buffer it wrote it to: 4 KB for 100 bytes, 16 KB
    for 1,500. That does not matter until a bound of bytes is kept by `len`.
    """
    return bytes(memoryview(data))
