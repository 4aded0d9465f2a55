"""A Redis of a test's own, which it may stop in every way there is."""

import asyncio
import signal
import time
from collections.abc import Callable
from contextlib import suppress

import redis

from devora_ops.common.redis_line import RedisLine
from devora_ops.embedded import EmbeddedRedis

DEADLINE_S = 0.2  # what a call waits for it at most


class OwnRedis(EmbeddedRedis):
    """Paused, it neither answers nor closes anything; stopped, it forgets everything."""

    def pause(self) -> None:
        """Have it stand still in the middle of whatever it does."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)

    def halt(self) -> None:
        """End it, as a crash would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        """Start it again on its port, empty."""
        self.launch()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with suppress(redis.ConnectionError):
                self.ask("PING")
                return
            time.sleep(0.01)
        raise AssertionError("Redis did not come back")

    def ask(self, *command: object) -> object:
        """Send a command over a connection of its own."""
        with redis.Redis.from_url(self.url) as client:
            return client.execute_command(*command)


async def until(condition: Callable[[], bool], *, within_s: float = 5.0) -> None:
    """Wait for what another task or process does; raises TimeoutError."""
    for _ in range(int(within_s * 100)):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


async def comes_up(line: RedisLine) -> None:
    """Wait for a line to find its Redis again."""
    await until(lambda: line.is_up)


async def goes_down(line: RedisLine) -> None:
    """Wait for a line to notice that its Redis has gone."""
    await until(lambda: not line.is_up)
