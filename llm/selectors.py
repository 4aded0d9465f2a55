"""Reads of the llm floor: what calls said, for as long as it is kept."""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.db.models import F, Value
from django.db.models.functions import Concat
from django.utils import timezone

from devora_ops.common.ids import first_uuid7_at
from devora_ops.common.strict_json import StrictJSONError, loads
from llm.models import Content, Model
from llm.snapshot import Target, Upstream

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


def draft_targets(drafted: Sequence[Mapping[str, Any]]) -> list[Target]:
    """Return targets that are nowhere saved, with what is known of their models.

    drafted: the model's `provider/name`, weight and conditions of each. A model that is
    not set up here has no bounds; none of these targets can be called.
    """
    named = Concat(F("provider__slug"), Value("/"), F("name"))
    known = {
        model.full_name: model
        for model in Model.objects.annotate(full_name=named).filter(
            full_name__in=[each["model"] for each in drafted]
        )
    }
    return [_target(known.get(each["model"]), **each) for each in drafted]


def _target(
    known: Model | None, *, model: str, weight: int, conditions: Mapping[str, Any]
) -> Target:
    provider, _slash, name = model.partition("/")
    abilities = known.abilities if known else {}
    return Target(
        Upstream(provider, kind="", base_url="", internal_allowed=False, secret=""),
        name,
        weight=weight,
        context_window=known.context_window if known else None,
        abilities=abilities if isinstance(abilities, dict) else {},
        conditions=conditions,
    )
