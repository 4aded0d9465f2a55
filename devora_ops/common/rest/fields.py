"""Serializer fields that take a value for what it is and nothing that resembles it.

DRF's own fields turn `true` into 1, `"12"` into 12 and 5 into "5"; a program that sends
one for the other has a bug that it should hear of.
"""

import datetime as dt
import math
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from devora_ops.common.text import NAME_LENGTH, TextRefused, check_text, clean_name
from devora_ops.common.time_zones import UnknownTimeZone, time_zone

_PLAIN_DECIMAL = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?")
_OFFSET_LOST_ITS_PLUS = re.compile(r".* [0-9]{2}:?[0-9]{2}")


class TextField(serializers.CharField):
    """A text of any length up to max_length, line breaks included."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_length": 100_000, "trim_whitespace": False, **options})

    def to_internal_value(self, data: Any) -> str:
        """Return the text; numbers are no texts."""
        if not isinstance(data, str):
            self.fail("invalid")
        try:
            check_text(data, max_length=self.max_length or 100_000)
        except TextRefused as refusal:
            raise serializers.ValidationError(refusal.message, refusal.code) from None
        return str(super().to_internal_value(data))


class NameField(TextField):
    """A one-line name, as `clean_name` allows it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_length": NAME_LENGTH, **options})

    def to_internal_value(self, data: Any) -> str:
        """Return the name without the spaces around it."""
        text = super().to_internal_value(data)
        try:
            return clean_name(text, max_length=self.max_length or NAME_LENGTH)
        except TextRefused as refusal:
            raise serializers.ValidationError(refusal.message, refusal.code) from None


class NumberField(serializers.FloatField):
    """A finite JSON number."""

    def to_internal_value(self, data: Any) -> float:
        """Return the number; digits in quotes and true are none."""
        if isinstance(data, bool) or not isinstance(data, int | float):
            self.fail("invalid")
        return float(data)


class WholeField(serializers.IntegerField):
    """A whole number: no bool, no float, no digits in quotes."""

    def to_internal_value(self, data: Any) -> int:
        """Return the number."""
        if type(data) is not int:
            self.fail("invalid")
        return data


class TruthField(serializers.BooleanField):
    """`true` or `false`; neither 1 nor "yes"."""

    def to_internal_value(self, data: Any) -> bool:
        """Return the value."""
        if data is not True and data is not False:
            self.fail("invalid", input=type(data).__name__)
        return data


class MoneyField(serializers.DecimalField):
    """US dollars with up to nine places, as a plain decimal: no exponent, no NaN."""

    def __init__(self, **options: Any) -> None:
        defaults = {"max_digits": 20, "decimal_places": 9, "min_value": Decimal(0)}
        super().__init__(**{**defaults, **options})

    def to_internal_value(self, data: Any) -> Decimal:
        """Return the amount; a JSON number is read as it is written."""
        if isinstance(data, float) and math.isfinite(data):
            data = format(Decimal(repr(data)), "f")
        if isinstance(data, bool) or not isinstance(data, str | int):
            self.fail("invalid")
        if not _PLAIN_DECIMAL.fullmatch(str(data)):
            self.fail("invalid")
        return Decimal(super().to_internal_value(str(data)))

    def to_representation(self, value: Any) -> Any:
        """Return the amount as text, without the zeros that say nothing."""
        whole, _point, places = format(Decimal(value), "f").partition(".")
        places = places.rstrip("0")
        return f"{whole}.{places}" if places else whole


@extend_schema_field(OpenApiTypes.DOUBLE)
class MillisecondsField(serializers.Field[float, Any, float, Any]):
    """A duration to show; the ledger keeps more digits than mean something."""

    def __init__(self, **options: Any) -> None:
        super().__init__(read_only=True, allow_null=True, **options)

    def to_representation(self, value: Any) -> float:
        """Return it to the thousandth."""
        return round(float(value), 3)


class ChoicesField(serializers.CharField):
    """Several of some words, separated by commas; validated to a tuple."""

    def __init__(self, choices: Sequence[str], *, most: int, **options: Any) -> None:
        told = _("Separated by commas: %(choices)s.") % {"choices": ", ".join(choices)}
        super().__init__(**{"help_text": told, **options})
        self.choices = tuple(choices)
        self.most = most

    def to_internal_value(self, data: Any) -> tuple[str, ...]:  # type: ignore[override]
        """Return the words, each once."""
        words = tuple(str(data).split(","))
        if not set(words) <= set(self.choices):
            raise serializers.ValidationError(
                _("Choose among %(choices)s.") % {"choices": ", ".join(self.choices)},
                "invalid_choice",
            )
        if len(set(words)) < len(words) or len(words) > self.most:
            raise serializers.ValidationError(
                _("Name at most %(most)s, each once.") % {"most": self.most}, "invalid"
            )
        return words


class MomentField(serializers.DateTimeField):
    """A moment with its offset from UTC; one without is a guess and refused."""

    def to_internal_value(self, value: Any) -> dt.datetime:
        """Return the moment, aware."""
        if not isinstance(value, str):
            self.fail("invalid", format="YYYY-MM-DDThh:mm[:ss]Z")
        if _OFFSET_LOST_ITS_PLUS.fullmatch(value) and "T" in value:
            raise serializers.ValidationError(
                _("A + in a URL is a space: write the offset's + as %2B."), "invalid"
            )
        return super().to_internal_value(value)

    def enforce_timezone(self, value: dt.datetime) -> dt.datetime:
        """Refuse a naive moment."""
        if value.tzinfo is None:
            raise serializers.ValidationError(
                _("Add the time zone: Z or an offset such as +02:00."),
                "timezone_required",
            )
        return super().enforce_timezone(value)


class TimeZoneField(serializers.CharField):
    """The name of a time zone, such as Europe/Paris; validated to a ZoneInfo."""

    def to_internal_value(self, data: Any) -> ZoneInfo:  # type: ignore[override]
        """Return the zone."""
        try:
            return time_zone(data if isinstance(data, str) else "")
        except UnknownTimeZone as error:
            raise serializers.ValidationError(str(error), "invalid") from None

    def to_representation(self, value: Any) -> str:
        """Return the zone's name."""
        return str(value)


class StrictSerializer(serializers.Serializer[Any]):
    """A serializer that refuses fields it does not know instead of dropping them."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated fields."""
        if isinstance(data, dict) and (unknown := data.keys() - self.fields.keys()):
            raise serializers.ValidationError(
                {name[:100]: [_("Unknown field.")] for name in sorted(unknown)[:20]},
                "unknown_field",
            )
        return super().to_internal_value(data)
