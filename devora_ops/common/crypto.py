"""Secrets at rest: Fernet tokens that are bound to the row they belong to.

Fernet has no associated data, so the row's id goes inside the sealed text and is
checked when it is opened: a ciphertext copied into another row does not open.
"""

import json
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class SealBroken(Exception):
    """The ciphertext was made with another key, for another row, or was changed."""


class FieldCipher:
    """Seals with the first key, opens with any of them."""

    def __init__(self, keys: Sequence[str]) -> None:
        """keys: Fernet keys, newest first (DEVORA_FIELD_KEYS)."""
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def seal(self, secret: str, *, owner: str) -> str:
        """Encrypt a secret for one owner, named by table and id ("llm_provider:openai")."""
        payload = {"v": 1, "owner": owner, "secret": secret}
        return self._fernet.encrypt(json.dumps(payload).encode()).decode()

    def unseal(self, token: str, *, owner: str) -> str:
        """Decrypt what `seal` made for the same owner; raises SealBroken."""
        try:
            payload = json.loads(self._fernet.decrypt(token.encode()))
        except InvalidToken as error:
            raise SealBroken("cannot be decrypted with DEVORA_FIELD_KEYS") from error
        if payload["owner"] != owner:
            raise SealBroken("was sealed for another row")
        return str(payload["secret"])

    def reseal(self, token: str) -> str:
        """Encrypt again with the first key."""
        return self._fernet.rotate(token.encode()).decode()
