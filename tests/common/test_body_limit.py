"""Bodies that are too large end before anybody keeps them."""

import orjson

from devora_ops.common.body_limit import BodyLimit


class Listener:
    """An application that reads the whole body, and what it answered."""

    def __init__(self):
        self.read = 0
        self.sent = []

    async def __call__(self, scope, receive, send):
        """Read to the end and answer 200."""
        more = True
        while more:
            message = await receive()
            self.read += len(message["body"])
            more = message.get("more_body", False)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def ask(self, *chunks, headers=()):
        """Send the chunks through a limit of ten bytes; return the status."""
        waiting = list(chunks)

        async def receive():
            body = waiting.pop(0)
            return {"type": "http.request", "body": body, "more_body": bool(waiting)}

        async def send(message):
            self.sent.append(message)

        scope = {"type": "http", "headers": list(headers)}
        await BodyLimit(self, max_bytes=10)(scope, receive, send)
        return self.sent[0]["status"]


async def test_a_body_of_the_limit_passes():
    listener = Listener()
    assert await listener.ask(b"12345", b"67890") == 200
    assert listener.read == 10


async def test_an_announced_length_is_refused_unread():
    listener = Listener()
    assert await listener.ask(b"1", headers=[(b"content-length", b"11")]) == 413
    assert listener.read == 0
    body = orjson.loads(listener.sent[1]["body"])
    assert body["errors"][0]["code"] == "payload_too_large"


async def test_a_body_that_says_nothing_is_cut_when_it_is_too_large():
    listener = Listener()
    assert await listener.ask(b"12345", b"67890", b"1", b"2") == 413
    assert listener.read == 10
