"""Bodies that are too large end before anybody keeps them."""

import asyncio

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


async def test_a_body_that_never_comes_is_not_waited_for():
    listener = Listener()
    whole = asyncio.Event()

    async def receive():
        await whole.wait()

    async def send(message):
        listener.sent.append(message)

    scope = {"type": "http", "headers": [(b"content-length", b"5")]}
    await BodyLimit(listener, timeout_s=0.05)(scope, receive, send)
    assert listener.sent[0]["status"] == 408
    body = orjson.loads(listener.sent[1]["body"])
    assert body["errors"][0]["code"] == "timeout"


async def test_who_waits_for_word_of_the_client_waits_as_long_as_he_likes():
    messages = [{"type": "http.request", "body": b"12345"}]

    async def application(scope, receive, send):
        await receive()
        told = await receive()  # as Django does while a view is at work
        assert told["type"] == "http.disconnect"

    async def receive():
        if messages:
            return messages.pop()
        await asyncio.sleep(0.2)
        return {"type": "http.disconnect"}

    async def send(message):
        raise AssertionError("nothing was to be refused")

    limit = BodyLimit(application, timeout_s=0.05)
    await limit({"type": "http", "headers": []}, receive, send)
