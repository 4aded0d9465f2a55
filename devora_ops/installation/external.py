"""The Postgres and Redis that DATABASE_URL and REDIS_URL name: good enough for us?"""

from urllib.parse import urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

from devora_ops.embedded.binaries import OLDEST_REDIS
from devora_ops.embedded.errors import InstallationError

_OLDEST_POSTGRES = 15
_OLDEST_PGVECTOR = (0, 8)
_CONNECT_S = 5

_PGVECTOR = """
    SELECT installed_version, default_version
    FROM pg_available_extensions WHERE name = 'vector'
"""


def check_postgres(url: str) -> None:
    """Raise InstallationError unless it answers and is new enough."""
    where = _postgres_name(url)
    try:
        with psycopg.connect(url, connect_timeout=_CONNECT_S) as connection:
            version = connection.info.server_version // 10_000
            pgvector = connection.execute(_PGVECTOR).fetchone()
    except psycopg.Error as error:
        raise InstallationError(f"DATABASE_URL ({where}): {_reason(error)}.") from error
    if version < _OLDEST_POSTGRES:
        raise InstallationError(
            f"DATABASE_URL ({where}) is Postgres {version}: {_OLDEST_POSTGRES} or newer "
            "is needed."
        )
    _check_pgvector(where, pgvector)


def _check_pgvector(where: str, found: tuple[str | None, str | None] | None) -> None:
    installed, available = found or (None, None)
    if _numbers(installed or available) >= _OLDEST_PGVECTOR:
        return
    if installed and _numbers(available) >= _OLDEST_PGVECTOR:
        remedy = "run ALTER EXTENSION vector UPDATE there"
    else:
        remedy = "install pgvector 0.8 or newer on that server"
    had = f"has pgvector {installed or available}" if found else "has no pgvector"
    raise InstallationError(f"DATABASE_URL ({where}) {had}: {remedy}.")


def check_redis(url: str) -> str:
    """Raise InstallationError unless it answers and is new enough.

    Returns its eviction policy, empty when the server does not tell.
    """
    import redis  # some 0.2 s, and only for a Redis of the user's own

    where = _redis_name(url)
    client = redis.Redis.from_url(
        url, socket_connect_timeout=_CONNECT_S, socket_timeout=_CONNECT_S
    )
    try:
        with client:
            info = client.info()
    except (redis.RedisError, ValueError, OSError) as error:
        raise InstallationError(f"REDIS_URL ({where}): {_reason(error)}.") from error
    version = str(info.get("redis_version", "0"))
    if _numbers(version) < OLDEST_REDIS:
        raise InstallationError(
            f"REDIS_URL ({where}) is Redis {version}: 6.2 or newer is needed."
        )
    return str(info.get("maxmemory_policy", ""))


def _reason(error: Exception) -> str:
    """Return the line of a client's error that tells most, without its full stop."""
    lines = [line.strip().rstrip(".") for line in str(error).splitlines()]
    telling = [line for line in lines if line and not line.startswith("Is the server")]
    return telling[-1] if telling else type(error).__name__


def _numbers(version: str | None) -> tuple[int, ...]:
    """Return the first two numbers of a version; (0,) for none."""
    parts = (version or "0").split(".")[:2]
    return tuple(int(part) if part.isdigit() else 0 for part in parts)


def _postgres_name(url: str) -> str:
    """Return host and database, without the password."""
    try:
        parts = conninfo_to_dict(url)
    except psycopg.Error:
        return "not a valid URL"
    host = parts.get("host") or parts.get("hostaddr") or "local socket"
    return f"{host}/{parts.get('dbname') or ''}"


def _redis_name(url: str) -> str:
    parts = urlsplit(url)
    return parts.hostname or "no host"
