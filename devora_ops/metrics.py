"""`/metrics` for Prometheus: with a token, or from this machine alone."""

import hmac
import ipaddress

from prometheus_client import CONTENT_TYPE_LATEST

from devora_ops.common import request_ids
from devora_ops.common.errors import DevoraError, InvalidApiKey, PermissionDenied
from devora_ops.quality_metrics import QualityMetrics
from llm.gateway.errors import openai_error
from llm.gateway.http import Receive, Scope, Send, header, send_error
from llm.gateway.metrics import Metrics


class MetricsEndpoint:
    """Answers who may know. token: empty for callers on the loopback address alone."""

    path = "/metrics"

    def __init__(
        self, metrics: Metrics, token: str, *, quality: QualityMetrics | None = None
    ) -> None:
        self._metrics = metrics
        self._token = token
        self._quality = quality

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell the metrics."""
        asked = request_ids.of(scope["headers"])
        headers = [(request_ids.HEADER, asked.encode())]
        try:
            self._check(scope)
        except DevoraError as error:
            body = openai_error(error, asked)
            await send_error(send, error, headers, body=body)
            return
        headers.append((b"content-type", CONTENT_TYPE_LATEST.encode()))
        told = self._metrics.text()
        if self._quality is not None:
            told += await self._quality.text()
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": told})

    def _check(self, scope: Scope) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            raise DevoraError("Use GET here.", status=405, code="method_not_allowed")
        if not self._token:
            if not _is_here(scope):
                raise PermissionDenied(
                    "Without DEVORA_METRICS_TOKEN, metrics are told on this machine only."
                )
            return
        told = header(scope, b"authorization") or b""
        if not hmac.compare_digest(told, f"Bearer {self._token}".encode()):
            raise InvalidApiKey("Send DEVORA_METRICS_TOKEN as Bearer.")


def _is_here(scope: Scope) -> bool:
    client = scope.get("client") or ("",)
    try:
        return ipaddress.ip_address(client[0]).is_loopback
    except ValueError:
        return False
