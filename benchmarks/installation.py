"""A fresh installation to measure: real servers, a migrated database, a key."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.fernet import Fernet

from benchmarks.stage import Server, Stage, cpu_s
from devora_ops.embedded import EmbeddedPostgres, EmbeddedRedis

# As `manage.py up` starts its web process.
UVICORN = (
    *("-m", "uvicorn", "--host", "127.0.0.1", "--port", "{port}", "--workers", "1"),
    *("--lifespan", "on", "--log-level", "warning", "--timeout-keep-alive", "75"),
    *("--ws-max-size", "65536", "--no-access-log", "--no-server-header"),
)
PRODUCT = (
    *(*UVICORN, "--loop", "devora_ops.listening:Loop"),
    *("--http", "devora_ops.http_protocol:GuardedProtocol"),
    "devora_ops.asgi:application",
)
PROXY = (*UVICORN, "benchmarks.bare_proxy:over_aiohttp")

PROVIDER = "bench"
INSTANT = "sim-instant"
STREAMED = "sim-chunks-9"  # as fast as it goes
PACED = "sim-chunks-40-gap-100"  # four seconds
MODELS = (INSTANT, STREAMED, PACED)
_PROVIDE = "from benchmarks.provision import provide; print(provide())"


@dataclass(frozen=True, slots=True)
class Installation:
    """Where it is, and the keys of its agents: one without limits, one with all."""

    postgres: EmbeddedPostgres
    environ: Mapping[str, str]
    key: str
    limited_key: str

    def postgres_cpu_s(self) -> float:
        """Return the CPU time that Postgres has used so far."""
        process = self.postgres.process
        return cpu_s(process.pid) if process else 0.0


def install(stage: Stage, simulator: Server) -> Installation:
    """Start Postgres (durable, as in production) and Redis, migrate, make a key."""
    postgres = EmbeddedPostgres(stage.folder / "postgres")
    redis = EmbeddedRedis(stage.folder / "redis")
    stage.running.enter_context(postgres)
    stage.running.enter_context(redis)
    environ = {
        "DATABASE_URL": postgres.url,
        "REDIS_URL": redis.url,
        "SECRET_KEY": secrets.token_urlsafe(50),
        "DEVORA_FIELD_KEYS": Fernet.generate_key().decode(),
        "DEVORA_DATA": str(stage.folder / "data"),
        "DEVORA_DEMO": "0",
        "DEVORA_STORE_CONTENT": "full",
        "BENCHMARK_UPSTREAM": str(simulator.port),
    }
    stage.run("migrate", "manage.py", "migrate", "--skip-checks", environ=environ)
    keys = shell(stage, "provision", _PROVIDE, environ).split(",")
    return Installation(postgres, environ, *keys)


def shell(stage: Stage, name: str, statement: str, environ: Mapping[str, str]) -> str:
    """Run a statement where Django is set up; return the last word that it prints."""
    said = stage.run(
        *(name, "manage.py", "shell", "--verbosity", "0", "--command", statement),
        environ=environ,
    )
    return said.split()[-1]  # behind what libraries have to say


def simulate(stage: Stage) -> Server:
    """Start the upstream, which answers at once."""
    return stage.serve(
        "simulator",
        *("-m", "devora_ops.simulator", "--port", "{port}", "--latency-scale", "0"),
        *("--file", str(stage.folder / "simulator.jsonl")),
    )
