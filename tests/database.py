"""Where the ORM of a test reads and writes, for those who connect without it."""

import os
from urllib.parse import urlsplit, urlunsplit

from django.db import connection


def url_of(database: str) -> str:
    """Return the URL of a database of the suite's server."""
    parts = urlsplit(os.environ["DATABASE_URL"])
    return urlunsplit(parts._replace(path=f"/{database}"))


def current_url() -> str:
    """Return the URL of the database that Django's ORM is on now."""
    return url_of(connection.settings_dict["NAME"])
