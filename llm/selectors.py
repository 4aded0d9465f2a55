"""Reads of the llm floor: what calls said, for as long as it is kept."""

import datetime as dt
import uuid
from typing import Any, Final

from django.utils import timezone

from devora_ops.common.ids import first_uuid7_at
from devora_ops.common.strict_json import StrictJSONError, loads
from llm.models import Content

KEPT: Final = dt.timedelta(days=30)
_DEEPEST = 200
_MOST_KEYS = 100_000


def content_of(call_id: uuid.UUID) -> Content | None:
    """Return what a call said, or None when it was not kept or is past keeping."""
    oldest = first_uuid7_at(timezone.now() - KEPT)
    return Content.objects.filter(call_id__gte=oldest, call_id=call_id).first()


def parsed(body: str) -> Any:
    """Return a kept body as JSON; masking can leave one that is none, a text then."""
    try:
        return loads(body.encode(), max_depth=_DEEPEST, max_keys=_MOST_KEYS)
    except StrictJSONError:
        return body
