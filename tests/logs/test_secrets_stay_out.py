"""At DEBUG, in every failure we can make: no key, password, cookie or text is logged."""

import os
from urllib.parse import unquote, urlsplit

import httpx
import pytest
from django.test import override_settings
from websockets.sync.client import connect

from tests.api.callers import make_person
from tests.logs.conftest import PROMPT, PROVIDER_KEY

ADDRESS = "canary.person@example.com"
PASSWORD = "canary password of a person"
HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]  # as the product's
FAILURES = [
    *("gpt-5.2", "sim-401", "sim-402", "sim-400", "sim-422", "sim-500", "sim-reset"),
    *("sim-html", "sim-malformed-json", "sim-bad-usage", "sim-no-usage", "sim-cost-x"),
    *("sim-content-filter", "sim-empty-choices", "nothing like it"),
]


def ask_everything(talkative, caller):
    """Make calls that end in every way, as JSON and as streams."""
    body = {
        "messages": [{"role": "user", "content": PROMPT}],
        "user": ADDRESS,
        "max_tokens": 20,
    }
    at = {"base_url": talkative.url, "headers": caller.headers, "timeout": 30}
    with httpx.Client(**at) as client:
        for name in FAILURES:
            for stream in (False, True):
                model = f"simulator/{name}"
                call = {**body, "model": model, "stream": stream}
                client.post("/v1/chat/completions", json=call)
                client.post("/v1/messages", json=call)
        client.post("/v1/chat/completions", content=b'{"model": "' + PROMPT.encode())
        client.get(f"/v1/none/{caller.key}/")
        client.get(f"/none/{caller.key}/", params={"api_key": caller.key})
        client.post("/api/v1/breaking/", json={"text": PROMPT})
    bad = {"Authorization": f"Bearer {caller.key[:-1]}x", "Cookie": "devora=canary"}
    httpx.post(f"{talkative.url}/v1/chat/completions", json=body, headers=bad)
    httpx.get(f"{talkative.url}/api/v1/calls/", headers=bad, timeout=30)


def look_around(talkative):
    """Sign in with a wrong and with the right password, and open a socket."""
    at = {"base_url": talkative.url, "follow_redirects": True, "timeout": 30}
    with httpx.Client(**at) as client:
        for password in (f"{PASSWORD}!", PASSWORD):
            client.get("/admin/login/")
            form = {"username": ADDRESS, "password": password}
            headers = {"Referer": talkative.url}
            form["csrfmiddlewaretoken"] = client.cookies["devora-csrf"]
            client.post("/admin/login/", data=form, headers=headers)
        client.get("/breaking/")
        session = client.cookies["devora"]
    socket = f"ws://127.0.0.1:{talkative.port}/ws/live/"
    headers = {"Cookie": f"devora={session}"}
    with connect(socket, origin=talkative.url, additional_headers=headers) as open_one:
        open_one.send(PROMPT)
    return session


@pytest.fixture(scope="module")
def said(talkative):
    """Return all that was logged, and what must not be in it."""
    caller = talkative.caller(scopes=["call", "read", "write"])
    with talkative.orm(), override_settings(PASSWORD_HASHERS=HASHERS):
        person = make_person("Owner")
        person.username = person.email = ADDRESS
        person.set_password(PASSWORD)
        person.save()
    ask_everything(talkative, caller)
    session = look_around(talkative)
    with talkative.postgres_away():
        ask_everything(talkative, caller)
    urls = (talkative.database_url, talkative.redis_url)
    secrets = {
        "the provider's key": PROVIDER_KEY,
        "the caller's key": caller.key,
        "a part of that": caller.key[20:40],
        "the prompt": PROMPT,
        "a person's address": ADDRESS,
        "a person's password": PASSWORD,
        "a session": session,
        "a cookie": "devora=",
        "a header": "Bearer dvo",
        "the secret key": os.environ["SECRET_KEY"],
        "the field keys": os.environ["DEVORA_FIELD_KEYS"],
        **{f"the password of {url[:8]}": password_of(url) for url in urls},
    }
    return talkative.log("web"), secrets


def password_of(url):
    return unquote(urlsplit(url).password or "")


def test_what_could_have_told_was_logged(said):
    log, secrets = said
    assert all(secrets.values())
    for sign in ("call failed: ", "Traceback", "is away", "Not Found", '"debug"'):
        assert sign in log


def test_no_secret_is_in_the_log(said):
    log, secrets = said
    assert [what for what, secret in secrets.items() if secret in log] == []
