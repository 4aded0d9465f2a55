"""The time zone of the person who looks."""

from zoneinfo import ZoneInfo

from devora_ops.common.time_zones import UnknownTimeZone, time_zone

_USUAL = ZoneInfo("Europe/Paris")
_FALLBACK = ZoneInfo("UTC")


def zone_of(name: str) -> ZoneInfo:
    """Return the zone of a profile; UTC when the system no longer knows its name."""
    if not name:
        return _USUAL
    try:
        return time_zone(name)
    except UnknownTimeZone:
        return _FALLBACK
