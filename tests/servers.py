"""The servers behind the suite, started once by the first process that needs them."""

import atexit
import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

from cryptography.fernet import Fernet


def provide_environment() -> None:
    """Set what settings read; start Postgres and Redis when nobody named any."""
    os.environ.setdefault("SECRET_KEY", "the suite's own secret key, of enough length")
    os.environ.setdefault("DEVORA_FIELD_KEYS", Fernet.generate_key().decode())
    if "DATABASE_URL" in os.environ and "REDIS_URL" in os.environ:
        return
    from devora_ops.embedded import EmbeddedPostgres, EmbeddedRedis

    folder = Path(tempfile.mkdtemp(prefix="devora-tests-"))
    running = ExitStack()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(running.close)
    if "DATABASE_URL" not in os.environ:
        postgres = running.enter_context(
            EmbeddedPostgres(folder / "postgres", durable=False)
        )
        os.environ["DATABASE_URL"] = postgres.url
    if "REDIS_URL" not in os.environ:
        redis = running.enter_context(EmbeddedRedis(folder / "redis"))
        os.environ["REDIS_URL"] = redis.url
