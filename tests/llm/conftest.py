"""What the gateway's tests share."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

import pytest
import uvloop

from tests.fakes.upstream import Upstream, running
from tests.llm.limiters import Make, Web
from tests.own_redis import OwnRedis


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], Any]]:
    """Run on the loop that the product runs on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def make(own_redis: OwnRedis) -> AsyncIterator[Make]:
    """Start a web process' limiter, as often as it is called."""
    made: list[Web] = []

    async def make(**options: float) -> Web:
        web = Web(own_redis.url, **options)
        await web.line.start()
        await web.start()
        made.append(web)
        return web

    yield make
    own_redis.resume()
    for web in made:
        await web.stop()
        await web.line.stop()


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    """Run a provider that says what it is told to."""
    with running() as server:
        yield server
