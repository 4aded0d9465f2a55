"""Where the gateway is, who calls it, how long to wait and how often to try."""

import os
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import httpx

from devora_ops import __version__
from devora_ops.client._errors import (
    ConfigurationError,
    ConnectionFailed,
    DevoraError,
    RateLimited,
    StatusError,
    Unavailable,
)
from devora_ops.client._values import UNSET, TimeoutValue, Unset

#: The server's own default (DEVORA_URL).
DEFAULT_BASE_URL = "http://127.0.0.1:8000"
#: A model may think for minutes: the gateway gives up after 600 s, we after it.
CALL_TIMEOUT = httpx.Timeout(630.0, connect=5.0)
REST_TIMEOUT = httpx.Timeout(30.0, connect=5.0)


@dataclass(frozen=True, slots=True)
class Retry:
    """How often, and after what wait, a request is sent again.

    Only what certainly did nothing is tried again: a connection that was never
    made, a 429 that names its Retry-After, a 503; and never when the gateway says
    ``x-should-retry: false``. A call that may have been billed is not repeated.

    Retry(limit=0)          # never
    Retry(max_wait_s=5)     # a longer Retry-After is raised at once
    """

    #: Tries after the first one.
    limit: int = 2
    #: The wait before the n-th retry is up to base_s × 2ⁿ⁻¹ seconds, at random.
    base_s: float = 0.5
    max_wait_s: float = 30.0

    def wait_s(self, error: DevoraError, *, retries: int) -> float | None:
        """Give the seconds to wait before the next try; None means give up.

        retries: how many there were already.
        """
        if retries >= self.limit or not _repeatable(error):
            return None
        told = error.retry_after if isinstance(error, StatusError) else None
        if told is None:
            return min(self.max_wait_s, random.random() * self.base_s * 2.0**retries)
        if told > self.max_wait_s:
            return None
        # Never earlier than told, and not all agents in the same instant.
        return told * (1 + random.random() / 4)


def _repeatable(error: DevoraError) -> bool:
    match error:
        case StatusError(should_retry=False):
            return False
        case RateLimited():
            return error.retry_after is not None
        case ConnectionFailed():
            return not error.request_sent
    return isinstance(error, Unavailable)


DEFAULT_RETRY = Retry()


@dataclass(frozen=True, slots=True)
class Settings:
    """A client's configuration, checked."""

    base_url: str
    api_key: str = field(repr=False)
    timeout: TimeoutValue = UNSET
    retry: Retry = DEFAULT_RETRY

    @classmethod
    def resolve(
        cls,
        base_url: str | None,
        api_key: str | None,
        *,
        timeout: TimeoutValue,
        retry: Retry,
    ) -> Self:
        """Fill what is missing from DEVORA_URL and DEVORA_API_KEY."""
        url = base_url or os.environ.get("DEVORA_URL") or DEFAULT_BASE_URL
        key = api_key or os.environ.get("DEVORA_API_KEY") or ""
        return cls(_checked_url(url), _checked_key(key), timeout, retry)

    def headers(self) -> Mapping[str, str]:
        """Give what every request carries."""
        return {
            "Authorization": f"Bearer {self.api_key}",
            "User-Agent": f"devora-ops-client/{__version__}",
        }

    def timeout_for(self, call: TimeoutValue, default: httpx.Timeout) -> httpx.Timeout:
        """Choose the call's timeout, else the client's, else the operation's."""
        chosen = self.timeout if isinstance(call, Unset) else call
        return default if isinstance(chosen, Unset) else httpx.Timeout(chosen)


def _checked_url(text: str) -> str:
    try:
        url = httpx.URL(text.strip())
    except httpx.InvalidURL as error:
        raise ConfigurationError(f"The gateway's address is no URL: {error}") from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise ConfigurationError(
            "The gateway's address must start with http:// or https:// and a host."
        )
    if url.userinfo or url.query or url.fragment:
        # Not echoed: what stands there may be a secret.
        raise ConfigurationError(
            "The gateway's address takes no user, query or fragment; "
            "the key goes into api_key or DEVORA_API_KEY."
        )
    # The SDKs want the address with /v1; both spellings work here.
    return str(url).rstrip("/").removesuffix("/v1").rstrip("/")


def _checked_key(text: str) -> str:
    key = text.strip()
    if not key:
        raise ConfigurationError(
            "No key: pass api_key or set DEVORA_API_KEY. "
            "manage.py createkey --agent NAME makes one."
        )
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ConfigurationError("The key holds characters that no key has.")
    return key
