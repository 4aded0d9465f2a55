"""The one HTTP client of the gateway: many calls at once, to providers of all sorts."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator

import pytest

from llm.gateway.upstream import UpstreamClient
from llm.policy import BULKHEAD_SIZE, USUAL
from llm.snapshot import Upstream

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture
async def client() -> AsyncIterator[UpstreamClient]:
    client = UpstreamClient()
    await client.start()
    yield client
    await client.stop()


@contextlib.asynccontextmanager
async def server(*, answers: bool) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """Answer at once or never; yields the address, and what is set once all have asked."""
    asked, full = itertools.count(1), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if next(asked) == BULKHEAD_SIZE:
            full.set()
        if answers:
            writer.write(ANSWER)
        with contextlib.suppress(OSError):
            await reader.read()  # until the client hangs up
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/v1/chat/completions", full


async def post(client: UpstreamClient, url: str) -> int:
    upstream = Upstream("p", "compatible", url, True, "")
    answer = await client.post(
        upstream,
        url,
        data=b"{}",
        headers={},
        policy=USUAL,
        stream=False,
        sending=lambda: None,
    )
    with answer:
        return answer.status


async def test_a_provider_whose_bulkhead_is_full_keeps_no_other_waiting(
    client: UpstreamClient,
):
    async with (
        server(answers=False) as (slow, full),
        server(answers=True) as (well, _),
    ):
        hanging = [
            asyncio.create_task(post(client, slow)) for _ in range(BULKHEAD_SIZE)
        ]
        await full.wait()
        async with asyncio.timeout(30):
            assert await post(client, well) == 200
        for each in hanging:
            each.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)
