"""Who asked for the same, as the ledger knows it: with the cache or without."""

import uuid
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm.gateway.caching import MOST_FINGERPRINTED_BYTES, fingerprint_of, key_of
from tests.installation_under_test import Caller, Installation

USE = {"X-Devora-Cache-Control": "use"}


@pytest.fixture
def caller(installation: Installation) -> Caller:
    return installation.caller()


def fingerprints(
    installation: Installation,
    caller: Caller,
    *bodies: dict[str, Any],
    headers: dict[str, str] | None = None,
) -> list[int | None]:
    """Return what the ledger has of requests that are sent one after the other."""
    model = installation.model("sim-usage-30-9")
    for body in bodies:
        answer = httpx.post(
            f"{installation.url}/v1/chat/completions",
            json={"model": model, **body},
            headers={**caller.headers, **(headers or {})},
            timeout=60,
        )
        assert answer.status_code == 200, answer.text
    calls = installation.calls(caller, count=len(bodies))
    return [call["fingerprint"] for call in calls]


def says(text: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], **more}


def test_equal_requests_have_one_fingerprint_without_the_cache(
    installation: Installation, caller: Caller
):
    text = uuid.uuid4().hex
    one, same, streamed, other = fingerprints(
        installation,
        caller,
        says(text),
        says(text),
        says(text, stream=True),
        says(text, seed=1),
    )
    assert one == same == streamed
    assert None not in (one, other)
    assert one != other


def test_the_cache_knows_them_by_the_same_one(
    installation: Installation, caller: Caller
):
    text = uuid.uuid4().hex
    (without,) = fingerprints(installation, caller, says(text))
    other = installation.caller()
    made, given_again = fingerprints(
        installation, other, says(text), says(text), headers=USE
    )
    assert without == made == given_again


def test_a_long_request_has_one_where_the_cache_needs_its_key(
    installation: Installation, caller: Caller
):
    text = "word " * (MOST_FINGERPRINTED_BYTES // 5)
    assert fingerprints(installation, caller, says(text)) == [None]
    other = installation.caller()
    (found,) = fingerprints(installation, other, says(text), headers=USE)
    assert found is not None


@given(st.text())
def test_a_fingerprint_fits_into_eight_bytes(text):
    found = fingerprint_of(key_of("chat", "", {"text": text}))
    assert -(2**63) <= found < 2**63
