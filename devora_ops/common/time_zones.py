"""Time zones by name, from strangers: `ZoneInfo` alone opens files by what it is given."""

import functools
import zoneinfo


class UnknownTimeZone(ValueError):
    """No time zone has this name."""


@functools.cache
def names() -> frozenset[str]:
    """Return every name the system knows; read once, it walks a directory."""
    return frozenset(zoneinfo.available_timezones())


def time_zone(name: str) -> zoneinfo.ZoneInfo:
    """Return the zone of a name such as `Europe/Paris`, or raise UnknownTimeZone."""
    if name not in names():
        raise UnknownTimeZone("Name a time zone such as Europe/Paris.")
    return zoneinfo.ZoneInfo(name)
