"""The secret an agent calls with: `dvo_live_<8>_<43>_<crc32>`.

A public id, 256 random bits and a checksum: junk is refused without a look-up, and
secret scanners can recognise a leaked key. Only the id and the SHA-256 of the random
part are ever stored; a password hasher would cost 0.2 s of CPU a call and add nothing
to 256 random bits.
"""

import hashlib
import hmac
import secrets
import string
import zlib
from dataclasses import dataclass

PREFIX = "dvo_live_"
SCOPES = ("call", "read", "write", "admin")

_ALPHABET = string.ascii_lowercase + string.digits
_ID_LENGTH = 8
_SECRET_LENGTH = 43
_SECRET_AT = len(PREFIX) + _ID_LENGTH + 1
_CHECKSUM_AT = _SECRET_AT + _SECRET_LENGTH + 1
LENGTH = _CHECKSUM_AT + 8

# Compared against when the id is unknown, so that both answers take the same time.
_NO_DIGEST = hashlib.sha256(b"no such key").digest()


@dataclass(frozen=True, slots=True)
class MintedKey:
    """A new key: the token is shown once, the rest is stored."""

    token: str
    public_id: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class PresentedKey:
    """What a caller showed, taken apart; digest is the SHA-256 of its secret part."""

    public_id: str
    digest: bytes

    def matches(self, digest: bytes | None) -> bool:
        """Compare in constant time; None stands for an id that nobody has."""
        return hmac.compare_digest(self.digest, digest or _NO_DIGEST) and bool(digest)


def mint() -> MintedKey:
    """Make a new key."""
    public_id = "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))
    secret = secrets.token_urlsafe(32)
    body = f"{PREFIX}{public_id}_{secret}"
    return MintedKey(f"{body}_{_checksum(body)}", public_id, _digest(secret))


def parse(token: str) -> PresentedKey | None:
    """Take a token apart; None when it cannot be one of ours."""
    if len(token) != LENGTH or not token.startswith(PREFIX) or not token.isascii():
        return None
    body = token[: _CHECKSUM_AT - 1]
    if token[len(body) :] != f"_{_checksum(body)}":
        return None
    public_id = token[len(PREFIX) : _SECRET_AT - 1]
    return PresentedKey(public_id, _digest(body[_SECRET_AT:]))


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
