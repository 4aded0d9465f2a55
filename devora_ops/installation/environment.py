"""The environment and `.env`, read and checked before anything is started."""

import os
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from dotenv import dotenv_values

from devora_ops.embedded.errors import InstallationError

ROOT = Path(__file__).resolve().parents[2]

_FROM_FILES = (
    "SECRET_KEY",
    "DEVORA_FIELD_KEYS",
    "DATABASE_URL",
    "REDIS_URL",
    "EMAIL_URL",
    "SLACK_WEBHOOK_URL",
    "DEVORA_METRICS_TOKEN",
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "OPENROUTER_API_KEY",
    "PINECONE_API_KEY",
)
_BARE = frozenset({"PORT", "WEB_CONCURRENCY", "DATABASE_URL", "REDIS_URL"})
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True, slots=True)
class Environment:
    """What a run needs to know; None for a server that the installation embeds."""

    data: Path
    port: int
    url: str
    demo: bool
    web_processes: int
    database_url: str | None
    redis_url: str | None

    @classmethod
    def read(cls, environ: MutableMapping[str, str] = os.environ) -> Self:
        """Complete environ from `.env` and `<NAME>_FILE`, and take what we need.

        Writes back what settings.py must see alike: the data folder as an absolute
        path, and whether there is demo data, whose default depends on DATABASE_URL.
        """
        _add_dotenv(environ)
        _add_files(environ)
        _drop_empty(environ)
        data = Path(environ.get("DEVORA_DATA") or ROOT / ".devora").expanduser()
        database_url = _postgres_url(environ.get("DATABASE_URL"))
        port = _whole(environ, "PORT", default=8000, most=65535)
        read = cls(
            data=data.absolute(),
            port=port,
            url=(environ.get("DEVORA_URL") or f"http://127.0.0.1:{port}").rstrip("/"),
            demo=_truth(environ, "DEVORA_DEMO", default=database_url is None),
            web_processes=_whole(environ, "WEB_CONCURRENCY", default=1, most=256),
            database_url=database_url,
            redis_url=_redis_url(environ.get("REDIS_URL")),
        )
        environ["DEVORA_DATA"] = str(read.data)
        environ["DEVORA_DEMO"] = str(int(read.demo))
        return read


def _add_dotenv(environ: MutableMapping[str, str]) -> None:
    path = ROOT / ".env"
    try:
        values = dotenv_values(path, interpolate=False) if path.exists() else {}
    except (OSError, UnicodeDecodeError) as error:
        raise InstallationError(f"{path} cannot be read: {error}.") from error
    for name, value in values.items():
        if value is not None:
            environ.setdefault(name, value)


def _add_files(environ: MutableMapping[str, str]) -> None:
    """Take a secret from the file that `<NAME>_FILE` names (as containers mount it)."""
    for name in _FROM_FILES:
        path = environ.get(f"{name}_FILE")
        if path and not environ.get(name):
            try:
                environ[name] = Path(path).read_text().strip()
            except (OSError, UnicodeDecodeError) as error:
                raise InstallationError(
                    f"{name}_FILE={path} cannot be read: {error}."
                ) from error


def _drop_empty(environ: MutableMapping[str, str]) -> None:
    """Let a variable that is set to nothing be one that is not set."""
    ours = [n for n in environ if n in _BARE or n.startswith("DEVORA_")]
    for name in ours:
        if not environ[name].strip():
            del environ[name]


def _whole(
    environ: MutableMapping[str, str], name: str, *, default: int, most: int
) -> int:
    text = environ.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
        raise InstallationError(
            f"{name}={text!r}: use a whole number from 1 to {most}."
        )
    return int(text)


def _truth(environ: MutableMapping[str, str], name: str, *, default: bool) -> bool:
    text = environ.get(name, "").strip().lower()
    if not text:
        return default
    if text not in _TRUE | _FALSE:
        raise InstallationError(f"{name}={text!r}: use 1 or 0.")
    return text in _TRUE


def _postgres_url(text: str | None) -> str | None:
    if not text:
        return None
    if text.split(":", 1)[0] not in {"postgres", "postgresql"}:
        raise InstallationError(
            "DATABASE_URL must name a Postgres, such as "
            "postgres://user:password@host:5432/name."
        )
    return text


def _redis_url(text: str | None) -> str | None:
    if not text:
        return None
    if urlsplit(text).scheme not in {"redis", "rediss"}:
        raise InstallationError(
            "REDIS_URL must name a Redis, such as redis://:password@host:6379/0."
        )
    return text
