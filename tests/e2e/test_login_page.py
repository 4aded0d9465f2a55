"""Signing in with a browser: its clock becomes the profile's."""

import uuid

from django.contrib.auth.hashers import Argon2PasswordHasher
from playwright.sync_api import Browser

from devora_ops.common.models import User


def test_the_first_login_brings_the_browsers_clock(
    chromium: Browser, installation
) -> None:
    name = f"jo-{uuid.uuid4().hex[:8]}"
    with installation.orm():
        person = User.objects.create_user(name, is_staff=True)
        # As the installation does it; the suite's own hashes are cheap ones.
        hasher = Argon2PasswordHasher()
        person.password = hasher.encode("p", hasher.salt())
        person.save()
    context = chromium.new_context(locale="fr-FR", timezone_id="Asia/Tokyo")
    page = context.new_page()
    page.goto(f"{installation.url}/admin/login/")
    page.fill("input[name=username]", name)
    page.fill("input[name=password]", "p")
    page.click("button[type=submit]")
    page.wait_for_selector("#overview")
    assert page.locator("html").get_attribute("lang") == "fr"
    with installation.orm():
        person = User.objects.get(username=name)
    assert (person.language, person.time_zone) == ("fr", "Asia/Tokyo")
    context.close()
