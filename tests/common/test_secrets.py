"""Keys that agents show, and secrets at rest."""

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from devora_ops.common import apikeys
from devora_ops.common.crypto import FieldCipher, SealBroken


def test_a_minted_key_is_recognised_and_nothing_else_is():
    minted, other = apikeys.mint(), apikeys.mint()
    shown = apikeys.parse(minted.token)
    assert shown is not None
    assert shown.public_id == minted.public_id
    assert shown.matches(minted.digest)
    assert not shown.matches(other.digest)
    assert not shown.matches(None)


def test_what_is_stored_of_a_key_does_not_tell_it():
    minted = apikeys.mint()
    secret = minted.token.split("_", 3)[3]
    assert secret not in minted.public_id
    assert len(minted.digest) == 32


@given(st.integers(0, apikeys.LENGTH - 1), st.characters())
def test_one_wrong_letter_is_noticed_without_a_look_up(place, letter):
    token = apikeys.mint().token
    changed = token[:place] + letter + token[place + 1 :]
    assert (apikeys.parse(changed) is None) is (changed != token)


@given(st.text(max_size=200))
def test_junk_is_no_key(token):
    assert apikeys.parse(token) is None


@given(st.text(max_size=200))
def test_a_sealed_secret_opens_for_its_row_alone(secret):
    cipher = FieldCipher([Fernet.generate_key().decode()])
    sealed = cipher.seal(secret, owner="llm_provider:1")
    assert cipher.unseal(sealed, owner="llm_provider:1") == secret
    with pytest.raises(SealBroken, match="another row"):
        cipher.unseal(sealed, owner="llm_provider:2")


def test_a_seal_outlives_a_new_key_and_moves_to_it():
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    sealed = FieldCipher([old]).seal("sk-1", owner="p")
    both = FieldCipher([new, old])
    assert both.unseal(sealed, owner="p") == "sk-1"
    moved = both.reseal(sealed)
    assert FieldCipher([new]).unseal(moved, owner="p") == "sk-1"
    with pytest.raises(SealBroken):
        FieldCipher([new]).unseal(sealed, owner="p")


@pytest.mark.parametrize("damaged", ["", "x", "gAAAAA=="])
def test_a_damaged_seal_says_so(damaged):
    cipher = FieldCipher([Fernet.generate_key().decode()])
    with pytest.raises(SealBroken):
        cipher.unseal(damaged, owner="p")
