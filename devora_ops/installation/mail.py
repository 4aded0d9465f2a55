"""The mail server that EMAIL_URL names, as Django's settings have it."""

from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

# scheme → (port, STARTTLS, TLS from the first byte)
_SCHEMES: Final = {
    "smtp": (25, False, False),
    "smtp+tls": (587, True, False),
    "smtps": (465, False, True),
    "smtp+ssl": (465, False, True),
}


def mail_settings(url: str, *, here: str) -> dict[str, Any]:
    """Return EMAIL_HOST and so on; here: the host that mail comes from by default.

    The sender is `?from=`, else the user where that is an address.
    """
    try:
        parts = urlsplit(url or "smtp://localhost")
        port, starttls, tls = _SCHEMES[parts.scheme]
        if not parts.hostname:
            raise ValueError
        port = parts.port or port
    except (KeyError, ValueError) as error:
        # Not the address itself: it has a password in it.
        raise ImproperlyConfigured(
            "EMAIL_URL: write smtp+tls://user:password@host:587, or smtps:// for TLS "
            "from the first byte, or smtp:// without any; ?from= names the sender."
        ) from error
    user = unquote(parts.username or "")
    named = parse_qs(parts.query).get("from", [""])[0]
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": port,
        "EMAIL_HOST_USER": user,
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_TLS": starttls,
        "EMAIL_USE_SSL": tls,
        "DEFAULT_FROM_EMAIL": named or (user if "@" in user else f"devora@{here}"),
    }
