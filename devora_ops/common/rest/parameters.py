"""Query parameters: only those a view names, once each, and valid."""

import datetime as dt
import re
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, NotFound, ValidationError
from rest_framework.request import Request

from devora_ops.common.rest.fields import MomentField

MAX_RANGE = dt.timedelta(days=400)
_RELATIVE = re.compile(r"now(?:-([0-9]{1,4})([hdwy]))?")
_UNITS = {
    "h": dt.timedelta(hours=1),
    "d": dt.timedelta(days=1),
    "w": dt.timedelta(weeks=1),
    "y": dt.timedelta(days=365),
}


def check_names(request: Request) -> None:
    """Refuse parameters that the view does not know, or that occur twice.

    A view names them by its `query` serializer; its paginator adds its own.
    """
    known = _known_names(request)
    refused: dict[str, ErrorDetail] = {}
    for name, values in request.query_params.lists():
        if name == "page" and name not in known:
            # Numbered pages drift while rows arrive, so there are none to be found.
            raise NotFound(_("There are no page numbers here: follow `next`."))
        if name not in known:
            shown = name[:100].replace("\0", "\ufffd")
            refused[shown] = ErrorDetail(_("Unknown parameter."), "unknown_parameter")
        elif len(values) > 1:
            refused[name] = ErrorDetail(
                _("Give this parameter once."), "repeated_parameter"
            )
    if refused:
        raise ValidationError({name: [detail] for name, detail in refused.items()})


def read(request: Request, query: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    """Return the validated parameters of a request; raises ValidationError."""
    serializer = query(data=request.query_params.dict())
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def _known_names(request: Request) -> set[str]:
    view = request.parser_context["view"]
    names = {"format"}
    if query := getattr(view, "query", None):
        names |= set(query().fields)
    if paginator := getattr(view, "paginator", None):
        names |= {paginator.cursor_query_param, paginator.page_size_query_param}
    return names


class RangeEndField(MomentField):
    """A moment, or one that counts from now: `now`, `now-12h`, `now-7d`, `now-2w`."""

    def to_internal_value(self, value: Any) -> dt.datetime:
        """Return the moment, aware."""
        relative = _RELATIVE.fullmatch(value) if isinstance(value, str) else None
        if relative is None:
            moment = super().to_internal_value(value)
            if not 2000 <= moment.year < 2200:
                raise serializers.ValidationError(
                    _("That is too far from today."), "range"
                )
            return moment
        count, unit = relative.groups()
        back = int(count) * _UNITS[unit] if count else dt.timedelta()
        try:
            return self._now() - back
        except OverflowError:
            raise serializers.ValidationError(_too_long(), "range_too_long") from None

    def _now(self) -> dt.datetime:
        """Return the moment that both ends of a range count from."""
        return (
            self.parent.now if isinstance(self.parent, RangeQuery) else timezone.now()
        )


_RANGE_TOLD = "ISO 8601 with an offset, or `now`, `now-12h`, `now-7d`, `now-2w`."


class RangeQuery(serializers.Serializer[Any]):
    """The parameters `from` and `to` (exclusive); without them, the last seven days."""

    default_range = dt.timedelta(days=7)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.now = timezone.now()

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Add the range; `from` cannot be an attribute's name."""
        return {
            **super().get_fields(),
            "from": RangeEndField(required=False, help_text=_RANGE_TOLD),
            "to": RangeEndField(required=False, help_text=_RANGE_TOLD),
        }

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Complete and check the range."""
        attrs.setdefault("to", self.now)
        attrs.setdefault("from", attrs["to"] - self.default_range)
        if attrs["from"] >= attrs["to"]:
            raise serializers.ValidationError(
                {"from": [_("The range must begin before it ends.")]}, "range"
            )
        if attrs["to"] - attrs["from"] > MAX_RANGE:
            raise serializers.ValidationError({"from": [_too_long()]}, "range_too_long")
        return attrs


def _too_long() -> str:
    return _("The range must not be longer than %(days)s days.") % {
        "days": MAX_RANGE.days
    }
