"""A headless Chromium before a running installation."""

import gzip
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    expect,
    sync_playwright,
)

from devora_ops.common.models import User
from devora_ops.common.people import give_role
from devora_ops.common.roles import Role
from tests.conftest import Blocker, migrated_database
from tests.installation_under_test import Caller, Installation

AXE = Path(__file__).parent / "vendor/axe-4.14.1.min.js.gz"
_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
_PATIENCE_MS = 20_000  # another process may have the processor
expect.set_options(timeout=_PATIENCE_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here, and skip it where there is no Chromium."""
    reason = "no chromium on the PATH: apt-get install chromium"
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if _chromium() is None:
                item.add_marker(pytest.mark.skip(reason=reason))


def _chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def installation(
    django_db_blocker: Blocker, worker_id: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """Run the product over a database of the pages' own, as a new installation has it.

    The suite's shared one fills with hundreds of agents, whose names crowd the menus.
    """
    with (
        migrated_database(f"pages_{worker_id}", django_db_blocker) as database,
        Installation(
            database=database,
            folder=tmp_path_factory.mktemp("pages"),
            unblock=django_db_blocker.unblock,
        ) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def chromium(installation: Installation) -> Iterator[Browser]:
    """Run one browser for a module.

    Playwright keeps an event loop running in this thread, which Django takes for an
    asynchronous caller: hence the variable, and no longer than a module.
    """
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_chromium(), args=_FLAGS)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@dataclass
class Visit:
    """A signed-in page and everything that it complained about."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        """Go to a page of the installation."""
        self.page.goto(self.url + path)

    def axe(self) -> list[dict[str, Any]]:
        """Return what axe-core finds against WCAG 2.2 A and AA."""
        self.page.evaluate(gzip.decompress(AXE.read_bytes()).decode())
        tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
        found = self.page.evaluate("tags => axe.run({runOnly: tags})", tags)
        violations: list[dict[str, Any]] = found["violations"]
        return violations

    def watch(self) -> None:
        """Listen to the console, to errors and to where requests go."""
        self.page.on("console", lambda m: self._heard(m.type, m.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self._asked(request.url))

    def _heard(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)

    def _asked(self, url: str) -> None:
        if not url.startswith((self.url, "data:", "blob:")):
            self.foreign.append(url)


@pytest.fixture
def visit(
    chromium: Browser, installation: Installation
) -> Iterator[Callable[..., Visit]]:
    """Open a browser window as a new person; options are Playwright's and language."""
    opened: list[BrowserContext] = []

    def make(*, role: Role = "Viewer", language: str = "en", **options: Any) -> Visit:
        with installation.orm():
            session = _session_of(role)
        context = chromium.new_context(locale=language, **options)
        context.set_default_timeout(_PATIENCE_MS)
        cookies = {
            settings.SESSION_COOKIE_NAME: session,
            settings.LANGUAGE_COOKIE_NAME: language,
        }
        for name, value in cookies.items():
            cookie = {"name": name, "value": value, "url": installation.url}
            context.add_cookies([cookie])  # type: ignore[list-item]
        opened.append(context)
        visiting = Visit(context.new_page(), installation.url)
        visiting.watch()
        return visiting

    yield make
    for context in opened:
        context.close()


def _session_of(role: Role) -> str:
    """Sign a new person in; the form would take a quarter of a second for the hash."""
    name = f"{role.lower()}-{uuid.uuid4().hex[:8]}"
    person = User.objects.create_user(name, is_staff=True)
    give_role(person, role)
    session = SessionStore()
    session[SESSION_KEY] = str(person.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = person.get_session_auth_hash()
    session.save()
    assert session.session_key
    return session.session_key


@pytest.fixture
def caller(installation: Installation) -> Caller:
    """Make an agent of this test's own that has called once already."""
    made = installation.caller()
    call(installation, made)
    installation.calls(made)
    return made


def call(installation: Installation, caller: Caller) -> None:
    """Let an agent call a model through the gateway."""
    answer = httpx.post(
        f"{installation.url}/v1/chat/completions",
        headers=caller.headers,
        json={
            "model": "simulator/gpt-5.2",
            "messages": [{"role": "user", "content": f"Hello {uuid.uuid4()}"}],
        },
        timeout=30,
    )
    answer.raise_for_status()
