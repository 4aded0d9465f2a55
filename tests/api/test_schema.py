"""The OpenAPI schema and its page."""

import re
from html.parser import HTMLParser
from io import StringIO

import pytest
from django.core.management import call_command
from django.urls import reverse

from tests.api.callers import as_key, as_person
from tests.api.test_authorisation import TABLE, api_routes

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def schema(django_db_blocker):
    from devora_ops.api_reference import Generator

    return Generator().get_schema()


def test_it_is_valid_openapi_and_leaves_nothing_to_guess():
    call_command("spectacular", validate=True, fail_on_warn=True, stdout=StringIO())


def test_it_describes_every_rest_address(schema):
    described = {
        re.sub(r"\{.*?\}", "*", path): {method.upper() for method in methods}
        for path, methods in schema["paths"].items()
    }
    for name, path in api_routes().items():
        if name == "api-schema":
            continue
        shape = re.sub(r"/(none|2000000000|01890000-[0-9a-f-]+)/", "/*/", path)
        shape = re.sub(r"/(none|2000000000)/", "/*/", shape)
        assert described[shape] == set(TABLE[name]), name


def test_the_gateway_is_in_it(schema):
    chat = schema["paths"]["/v1/chat/completions"]["post"]
    assert "X-Devora-Cost-Usd" in chat["responses"]["200"]["headers"]
    assert "402" in chat["responses"]
    assert "/v1/models" in schema["paths"]


def test_it_is_served_as_yaml_and_json():
    api = as_key("read")
    assert api.get("/api/schema/").content.startswith(b"openapi: 3.")
    assert api.get("/api/schema/?format=json").json()["info"]["title"] == "Devora Ops"


class Page(HTMLParser):
    """Collects what a page loads, and scripts that are written into it."""

    def __init__(self):
        super().__init__()
        self.loads, self.inline = [], []
        self._in_script = False

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self._in_script = tag == "script" and "src" not in given
        if tag in ("script", "link"):
            self.loads.append(given.get("src") or given.get("href"))

    def handle_data(self, data):
        if self._in_script and data.strip():
            self.inline.append(data)

    def handle_endtag(self, tag):
        self._in_script = False


def test_its_page_loads_our_own_files_and_has_no_inline_script():
    answer = as_person("Viewer").get(reverse("api-docs"))
    page = Page()
    page.feed(answer.content.decode())
    assert answer.status_code == 200
    assert page.inline == []
    assert all(address.startswith("/static/") for address in page.loads)


def test_its_page_asks_strangers_to_sign_in(client):
    answer = client.get(reverse("api-docs"))
    assert answer.status_code == 302
    assert "/login/" in answer.headers["Location"]
