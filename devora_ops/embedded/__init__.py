"""Real Postgres with pgvector and real Redis, from wheels, for one data folder.

Knows neither Django nor the rest of the project. Both servers are children of the
process that starts them and never outlive it.
"""

from devora_ops.embedded.errors import InstallationError
from devora_ops.embedded.postgres import EmbeddedPostgres
from devora_ops.embedded.redis import EmbeddedRedis

__all__ = ["EmbeddedPostgres", "EmbeddedRedis", "InstallationError"]
