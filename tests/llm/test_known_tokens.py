"""A token that was checked before is checked for all that can have changed since."""

import datetime as dt
from collections.abc import Mapping

import pytest

from devora_ops.common import apikeys
from devora_ops.common.errors import InvalidApiKey
from llm.gateway.authentication import KnownTokens
from llm.snapshot import Key

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
MINTED = apikeys.mint()


def keys_with(digest: bytes) -> Mapping[str, Key]:
    scopes = frozenset({"call"})
    until = NOW + HOUR
    key = Key(MINTED.public_id, digest, scopes, until, "agent", "team", "off")
    return {MINTED.public_id: key}


def test_a_known_token_is_refused_once_its_key_has_expired():
    known, keys = KnownTokens(), keys_with(MINTED.digest)
    assert known.authenticate(MINTED.token, keys, now=NOW) is keys[MINTED.public_id]

    with pytest.raises(InvalidApiKey, match="expired"):
        known.authenticate(MINTED.token, keys, now=NOW + HOUR)


def test_a_known_token_is_refused_once_its_key_has_gone_or_changed():
    for later in ({}, keys_with(apikeys.mint().digest)):
        known = KnownTokens()
        known.authenticate(MINTED.token, keys_with(MINTED.digest), now=NOW)

        with pytest.raises(InvalidApiKey, match="not valid"):
            known.authenticate(MINTED.token, later, now=NOW)


def test_a_wrong_token_is_refused_each_time_it_comes():
    known, keys = KnownTokens(), keys_with(apikeys.mint().digest)

    for _ in range(2):
        with pytest.raises(InvalidApiKey, match="not valid"):
            known.authenticate(MINTED.token, keys, now=NOW)
