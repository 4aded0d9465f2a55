"""What the floors above make of a request that names a prompt.

`devora_ops/asgi.py` hands the gateway an Expand, so this floor imports nobody above it.
"""

from collections.abc import Mapping
from typing import Any, Final, Protocol

PROMPT_PREFIX: Final = "prompt:"


class Expanded(Protocol):
    """A request with its prompt rendered, and what it was rendered from."""

    @property
    def body(self) -> dict[str, Any]:
        """The body to serve: a model or route, messages and parameters."""

    @property
    def prompt(self) -> str:
        """The prompt's slug."""

    @property
    def prompt_version(self) -> int:
        """The version's number."""

    @property
    def cache(self) -> Mapping[str, Any]:
        """The version's cache policy: enabled, ttl_s, as far as it says."""

    @property
    def origin(self) -> str:
        """The version and its label's move, as cached answers hang on it."""

    @property
    def experiment(self) -> str:
        """The experiment's slug, or empty."""

    @property
    def variant(self) -> str:
        """The variant's name, or empty."""


class Expand(Protocol):
    """Renders `model: "prompt:<slug>[@label|@number]"`; raises DevoraError."""

    async def __call__(
        self, model: str, body: dict[str, Any], request_id: str
    ) -> Expanded:
        """Return the expanded request."""
