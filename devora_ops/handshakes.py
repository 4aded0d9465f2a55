"""The server's end of a socket's handshake, where uvicorn leaves a caller waiting."""

from uvicorn.protocols.websockets.websockets_sansio_impl import (
    WebSocketsSansIOProtocol,
)


class HandshakeProtocol(WebSocketsSansIOProtocol):
    """Sends the refusal of a handshake that is no request: 414, 431 or nothing.

    uvicorn drops what the parser answers to an address or a header beyond its limits,
    and the connection stays open until the caller gives up.
    """

    def data_received(self, data: bytes) -> None:
        """Take bytes in; close at once when no handshake can come of them."""
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()
