"""What both clients share: everything but the waiting."""

from copy import copy
from dataclasses import replace
from typing import Any, Self

import httpx

from devora_ops.client._config import DEFAULT_RETRY, Retry, Settings
from devora_ops.client._errors import DevoraError
from devora_ops.client._failures import request_error, response_error
from devora_ops.client._operations import Operation
from devora_ops.client._values import UNSET, TimeoutValue


class BaseClient:
    """A configuration that knows how to build requests and to judge answers."""

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: TimeoutValue = UNSET,
        retry: Retry = DEFAULT_RETRY,
    ) -> None:
        self._settings = Settings.resolve(
            base_url, api_key, timeout=timeout, retry=retry
        )

    @property
    def base_url(self) -> str:
        """The gateway's address, without /v1."""
        return self._settings.base_url

    def with_timeout(self, timeout: TimeoutValue) -> Self:
        """Give a client that waits so long; it shares this one's connections."""
        twin = copy(self)
        twin._settings = replace(self._settings, timeout=timeout)
        return twin

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self.base_url!r})"

    def _request(self, operation: Operation[Any]) -> httpx.Request:
        content = operation.content()
        headers = {**self._settings.headers(), **operation.headers}
        if content is not None:
            headers["Content-Type"] = "application/json"
        timeout = self._settings.timeout_for(
            operation.timeout, operation.default_timeout
        )
        return httpx.Request(
            operation.method,
            self._settings.base_url + operation.path,
            content=content,
            headers=headers,
            extensions={"timeout": timeout.as_dict()},
        )

    def _failure(self, outcome: httpx.Response | httpx.RequestError) -> DevoraError:
        if isinstance(outcome, httpx.Response):
            return response_error(outcome)
        return request_error(outcome, base_url=self.base_url)

    def _wait_s(self, failure: DevoraError, *, retries: int) -> float:
        """Give the wait before the next try, or raise the failure."""
        wait_s = self._settings.retry.wait_s(failure, retries=retries)
        if wait_s is None:
            raise failure
        return wait_s
