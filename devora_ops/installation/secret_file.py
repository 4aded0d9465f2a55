"""`$DEVORA_DATA/secrets`: made once when missing, readable by its owner alone."""

import base64
import os
import secrets
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from dotenv import dotenv_values

from devora_ops.installation.files import write_private, write_private_once

OWNER: Final = "DEVORA_OWNER"
OWNER_PASSWORD: Final = "DEVORA_OWNER_PASSWORD"
AGENT_KEY: Final = "DEVORA_AGENT_KEY"
POSTGRES_PASSWORD: Final = "DEVORA_POSTGRES_PASSWORD"
REDIS_PASSWORD: Final = "DEVORA_REDIS_PASSWORD"

# What settings.py reads, and an environment variable of that name replaces.
_SETTINGS = ("SECRET_KEY", "DEVORA_FIELD_KEYS")

_HEADER = """\
# Made by Devora Ops. Whoever reads this file owns the installation.
# Keep a copy apart from your backups: without DEVORA_FIELD_KEYS the stored provider
# keys cannot be decrypted.
"""


@dataclass(slots=True)
class Secrets:
    """The values of one installation, by the names above."""

    path: Path
    values: dict[str, str]

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read the file, making it when missing and completing it when older."""
        if not path.exists():
            write_private_once(path, _HEADER + _lines(_fresh()))
        known = {
            name: value
            for name, value in dotenv_values(path, interpolate=False).items()
            if value
        }
        opened = cls(path, known)
        for name, value in _fresh().items():
            if name not in known:
                opened.keep(name, value)
        return opened

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    def get(self, name: str) -> str | None:
        """Return a value that may not be there yet (the agent key on a first run)."""
        return self.values.get(name)

    def keep(self, name: str, value: str) -> None:
        """Set a value and save."""
        self.values[name] = value
        write_private(self.path, _HEADER + _lines(self.values))

    def export(self, environ: MutableMapping[str, str]) -> None:
        """Give settings.py what the environment does not say itself."""
        for name in _SETTINGS:
            environ[name] = environ.get(name) or self.values[name]


def throwaway() -> Iterator[tuple[str, str]]:
    """Give values for a command that keeps nothing and needs settings to load."""
    return ((name, value) for name, value in _fresh().items() if name in _SETTINGS)


def _fresh() -> dict[str, str]:
    return {
        "SECRET_KEY": secrets.token_urlsafe(48),
        "DEVORA_FIELD_KEYS": base64.urlsafe_b64encode(os.urandom(32)).decode(),
        OWNER: "owner",
        OWNER_PASSWORD: secrets.token_urlsafe(15),
        POSTGRES_PASSWORD: secrets.token_urlsafe(24),
        REDIS_PASSWORD: secrets.token_urlsafe(24),
    }


def _lines(values: dict[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in values.items())
