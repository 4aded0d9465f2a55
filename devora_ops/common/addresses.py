"""Where outbound requests may go: one pure check for every client that we have.

A URL that a person typed must not reach the machines around us. The host is checked
as written here, and every address it resolves to is checked again at connect time by
the transports, because a name can change its answer in between.
"""

import ipaddress
import socket
from collections.abc import Collection
from urllib.parse import urlsplit

from devora_ops.common.errors import InvalidRequest

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# `is_global` is true for these, yet each leads inside: NAT64, 6to4, Teredo, site-local,
# protocol assignments, 6to4 relays; 100.64/10 holds cloud metadata services.
_DENIED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2002::/16",
        "2001::/32",
        "fec0::/10",
        "192.0.0.0/24",
        "192.88.99.0/24",
        "100.64.0.0/10",
    )
)


class UrlForbidden(InvalidRequest):
    """The URL leads to a place that outbound requests must not reach."""

    code = "url_forbidden"


def is_public(address: IPAddress) -> bool:
    """Say whether an address lies on the public internet."""
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        return is_public(mapped)
    if not address.is_global or address.is_multicast:
        return False
    return not any(
        address in network for network in _DENIED if network.version == address.version
    )


def check_url(url: str, *, allowed_hosts: Collection[str] = ()) -> None:
    """Refuse a URL that outbound requests must not use.

    allowed_hosts: exact `host:port` pairs that the operator allows (they may be
    internal and speak plain http). Raises UrlForbidden; a name that does not resolve
    passes, because it is checked again when it is connected to.
    """
    if url != url.strip() or any(
        ord(letter) < 33 or letter in "{}\\" for letter in url
    ):
        raise UrlForbidden("The URL is not valid.", code="invalid")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UrlForbidden("The URL is not valid.", code="invalid") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UrlForbidden("The URL must start with https://.", code="url_scheme")
    port = port or (443 if parts.scheme == "https" else 80)
    if f"{parts.hostname}:{port}" in allowed_hosts:
        return
    if parts.username or parts.password or parts.fragment:
        raise UrlForbidden("The URL must not carry a login or a fragment.")
    _check_host(parts.hostname)
    if parts.scheme != "https":
        raise UrlForbidden("The URL must start with https://.", code="url_scheme")


def _check_host(host: str) -> None:
    if not host.isascii():
        raise UrlForbidden("The host name must be plain ASCII.")
    for address in _literal_or_resolved(host):
        if not is_public(address):
            raise UrlForbidden("This address is not on the public internet.")


def _literal_or_resolved(host: str) -> list[IPAddress]:
    """Resolve as the system would: `0x7f.1` and `2130706433` are 127.0.0.1 too."""
    try:
        answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        return []
    return [ipaddress.ip_address(str(a[4][0]).partition("%")[0]) for a in answers]
