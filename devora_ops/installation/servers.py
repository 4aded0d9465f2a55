"""The Postgres and Redis of an installation: embedded ones, or the user's own."""

from collections.abc import MutableMapping
from contextlib import ExitStack

from devora_ops.embedded import EmbeddedPostgres, EmbeddedRedis
from devora_ops.installation.environment import Environment
from devora_ops.installation.external import check_postgres, check_redis
from devora_ops.installation.folder import DataFolder
from devora_ops.installation.secret_file import POSTGRES_PASSWORD, REDIS_PASSWORD


class Servers:
    """Started by `begin()`, in use after `finish()`, stopped by `stop()`."""

    def __init__(self, folder: DataFolder, environment: Environment) -> None:
        self._folder = folder
        self._environment = environment
        self.postgres: EmbeddedPostgres | None = None
        self.redis: EmbeddedRedis | None = None

    @property
    def database_url(self) -> str:
        """Where Postgres is; known after `begin()`."""
        return (
            self.postgres.url if self.postgres else self._environment.database_url or ""
        )

    @property
    def redis_url(self) -> str:
        """Where Redis is; known after `begin()`."""
        return self.redis.url if self.redis else self._environment.redis_url or ""

    def begin(self) -> None:
        """Start what is embedded; Postgres goes on starting meanwhile."""
        logs, secrets = self._folder.logs, self._folder.secrets
        if self._environment.database_url is None:
            self.postgres = EmbeddedPostgres(
                self._folder.cluster,
                password=secrets[POSTGRES_PASSWORD],
                log=logs / "postgres.log",
            )
            self.postgres.begin()
        if self._environment.redis_url is None:
            self.redis = EmbeddedRedis(logs, password=secrets[REDIS_PASSWORD])
            self.redis.start()

    def finish(self) -> None:
        """Wait for what is embedded, check what is not."""
        if self._environment.redis_url:
            check_redis(self._environment.redis_url)
        if self.postgres:
            self.postgres.finish()
        elif self._environment.database_url:
            check_postgres(self._environment.database_url)

    @property
    def temporary_folders(self) -> list[str]:
        """What is left behind when we are killed."""
        return [str(server.run_dir) for server in (self.postgres, self.redis) if server]

    def export(self, environ: MutableMapping[str, str]) -> None:
        """Tell settings.py, and every child, where they are."""
        export_urls(environ, self.database_url, self.redis_url)

    def stop(self) -> None:
        """Stop Redis, then Postgres."""
        with ExitStack() as last_first:
            if self.postgres:
                last_first.callback(self.postgres.stop)
            if self.redis:
                last_first.callback(self.redis.stop)


def export_urls(
    environ: MutableMapping[str, str], database_url: str, redis_url: str
) -> None:
    """Set the two URLs."""
    environ["DATABASE_URL"] = database_url
    environ["REDIS_URL"] = redis_url
