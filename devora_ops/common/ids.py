"""Time-ordered ids: a UUIDv7 carries its creation time, so a range of ids is a range of time."""

import datetime as dt
import uuid

import uuid_utils
import uuid_utils.compat

_VERSION_AND_VARIANT = (0x7 << 76) | (0x2 << 62)


def uuid7() -> uuid.UUID:
    """Return a new UUIDv7; ids made by one process are increasing."""
    return uuid_utils.compat.uuid7()


def uuid7_hex() -> str:
    """Return a new UUIDv7 as 32 digits."""
    return uuid_utils.uuid7().hex


def first_uuid7_at(moment: dt.datetime) -> uuid.UUID:
    """Return the smallest UUIDv7 of a moment: the lower bound of a range scan."""
    milliseconds = int(moment.timestamp() * 1000)
    return uuid.UUID(int=(milliseconds << 80) | _VERSION_AND_VARIANT)


def uuid7_time(value: uuid.UUID) -> dt.datetime:
    """Return the moment a UUIDv7 was made, in UTC, to the millisecond."""
    return dt.datetime.fromtimestamp(uuid7_ms(value) / 1000, tz=dt.UTC)


def uuid7_ms(value: uuid.UUID) -> int:
    """Return the moment a UUIDv7 was made, in milliseconds since 1970."""
    return value.int >> 80
