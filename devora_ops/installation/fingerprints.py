"""Whether a slow step would change anything: known in milliseconds, without Django."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import psycopg

from devora_ops.installation.environment import ROOT

_EXISTS = "SELECT to_regclass('django_migrations') IS NOT NULL"
_APPLIED = "SELECT app, name FROM django_migrations ORDER BY app, name"


def of_migrations(database_url: str) -> list[str]:
    """Stand for what `migrate` would apply and what the database has of it.

    Equal to that of an earlier run after which all was applied: nothing is pending.
    Includes what else `migrate` does (the groups follow the roles).
    """
    ours = (
        *ROOT.glob("*/migrations/*.py"),
        *ROOT.glob("devora_ops/*/migrations/*.py"),
        *(ROOT / "devora_ops" / "common").glob("*.py"),
        ROOT / "requirements.lock",  # others' migrations
    )
    with psycopg.connect(database_url, connect_timeout=5) as connection:
        exists = connection.execute(_EXISTS).fetchone() == (True,)
        applied = connection.execute(_APPLIED).fetchall() if exists else []
    return [_of_files(ours), hashlib.sha256(repr(applied).encode()).hexdigest()]


def of_static_files() -> str:
    """Stand for the files that `collectstatic` gathers."""
    ours = (path for path in (ROOT / "static").rglob("*") if path.is_file())
    return _of_files((*ours, ROOT / "requirements.lock"))


def _of_files(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        if path.exists():
            digest.update(f"{path.relative_to(ROOT)}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
