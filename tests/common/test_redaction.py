"""Secrets taken out of texts: whole, and nothing else."""

import pytest

from devora_ops.common.redaction import GONE, Redactor

KEY = "dvo_live_abcdefgh_" + "x" * 43 + "_0b813365"
SECRETS = {
    "our key": (f"key {KEY} refused", f"key {GONE} refused"),
    "openai": ("sk-proj-abcDEF_123-456", GONE),
    "anthropic": ("(sk-ant-api03-abcdefgh)", f"({GONE})"),
    "openrouter": ("sk-or-v1-0123456789ab", GONE),
    "slack token": ("xoxb-123456-abcdef", GONE),
    "slack address": ("https://hooks.slack.com/services/T0/B0/abc", f"https://{GONE}"),
    "aws": ("AKIAIOSFODNN7EXAMPLE", GONE),
    "jwt": ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig-na_ture", GONE),
    "bearer": ("Bearer abc.def", f"Bearer {GONE}"),
    "a header": ("Authorization: Basic dXNlcjpw", f"Authorization: {GONE}"),
    "a dict": ("{'Authorization': 'Bearer a b'}", "{'Authorization': " + GONE + "}"),
    "a pair": ("(b'x-api-key', b'abc')", f"(b'x-api-key', {GONE})"),
    "json": ('{"password": "p w", "a": 1}', '{"password": ' + GONE + ', "a": 1}'),
    "a setting": ("api_key=abc, b=1", f"api_key={GONE}, b=1"),
    "a cookie": ("Cookie: a=b; c=d\nHost: h", f"Cookie: {GONE}\nHost: h"),
    "a url": ("postgres://me:p@ss@h/db", f"postgres://me:{GONE}@h/db"),
    "a url without a name": ("redis://:pw@h:1/0", f"redis://:{GONE}@h:1/0"),
    "by heart": ("it is known by heart!", f"it is {GONE}!"),
}
INNOCENT = [
    'password authentication failed for user "devora"',
    "the task risk-abcdefghij is disk-abcdefgh",
    "max_tokens=100, tokens: 5",
    "http://127.0.0.1:8000/v1",
    "provider simulator refuses our credential: provider_auth_failed",
    "2026-11-26T11:11:47",
]


@pytest.mark.parametrize(("text", "safe"), SECRETS.values(), ids=SECRETS.keys())
def test_a_secret_goes_whole(text, safe):
    assert Redactor(["known by heart"])(text) == safe


@pytest.mark.parametrize("text", INNOCENT)
def test_what_is_no_secret_stays(text):
    assert Redactor()(text) == text


@pytest.mark.parametrize(("text", "safe"), SECRETS.values(), ids=SECRETS.keys())
def test_what_is_safe_stays_so(text, safe):
    assert Redactor(["known by heart"])(safe) == safe


def test_a_secret_within_another_does_not_leave_the_rest():
    redact = Redactor(["secret-value", "secret-value-and-more"])
    assert redact("secret-value-and-more") == GONE


def test_what_is_short_is_a_word():
    assert Redactor(["postgres", ""])("postgres is away") == "postgres is away"
