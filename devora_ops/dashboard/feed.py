"""The newest calls as rows of a page, whether they come from the table or the socket."""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from django.urls import reverse
from django.utils import timezone
from django.utils.formats import time_format

from costs.models import Call, CallStatus
from devora_ops.common import formats
from devora_ops.common.ids import first_uuid7_at, uuid7_time
from devora_ops.dashboard.filters import CALL_FIELDS, DIMENSIONS, Scope

ROWS: Final = 8
# A filter that few calls match must not read the table back to its beginning.
_OLDEST = dt.timedelta(hours=24)
_LOOKS: Final[dict[str, tuple[str, str]]] = {
    CallStatus.OK: ("ok", "●"),
    CallStatus.CACHED: ("info", "◆"),
    CallStatus.RATE_LIMITED: ("warning", "▲"),
    CallStatus.BLOCKED: ("warning", "▲"),
    CallStatus.TIMEOUT: ("error", "■"),
    CallStatus.ERROR: ("error", "■"),
}

FeedRow = dict[str, Any]


def newest_calls(scope: Scope, slots: Mapping[str, int]) -> list[FeedRow]:
    """Return the rows of the last calls of a day, newest first."""
    oldest = first_uuid7_at(timezone.now() - _OLDEST)
    calls = Call.objects.filter(id__gte=oldest)
    for name in DIMENSIONS:
        field = CALL_FIELDS.get(name, name)
        if wanted := scope.wanted(name):
            calls = calls.filter(**{f"{field}__in": wanted})
        if unwanted := scope.unwanted(name):
            calls = calls.exclude(**{f"{field}__in": unwanted})
    return [feed_row(_news(call), slots) for call in calls.order_by("-id")[:ROWS]]


def feed_row(news: Mapping[str, Any], slots: Mapping[str, int]) -> FeedRow:
    """Turn a settled call's news into a row, in the active language and time zone.

    news: what the ledger sends on its channel (id, at, status, model, agent, …).
    """
    at = timezone.localtime(dt.datetime.fromisoformat(news["at"]))
    look, glyph = _LOOKS.get(news["status"], ("error", "■"))
    status = news["status"]
    tokens = (formats.compact(news["tokens_in"]), formats.compact(news["tokens_out"]))
    cost = news["cost_usd"]
    return {
        "id": news["id"],
        "at": at.isoformat(),
        "time": time_format(at, "H:i:s"),
        "look": look,
        "glyph": glyph,
        "status": str(CallStatus(status).label) if status in CallStatus else status,
        "model": news["model"] or formats.NO_VALUE,
        "slot": slots.get(news["model"], 0),
        "agent": news["agent"],
        "tokens": " → ".join(tokens),
        "latency": formats.latency(news["latency_ms"]),
        "cost": formats.money(None if cost is None else Decimal(cost)),
        "url": reverse("admin:costs_call_change", args=[news["id"]]),
    }


def _news(call: Call) -> dict[str, Any]:
    return {
        "id": str(call.id),
        "at": uuid7_time(call.id).isoformat(),
        "status": call.status,
        "model": call.model,
        "agent": call.agent,
        "tokens_in": call.input_tokens,
        "tokens_out": call.output_tokens,
        "latency_ms": call.latency_ms,
        "cost_usd": call.cost_usd,
    }
