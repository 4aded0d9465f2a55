"""What every answer has in common, whoever gives it and however it ends."""

import pytest
from asgiref.sync import async_to_sync
from django.db import OperationalError
from django.test import AsyncClient, Client
from django.urls import path
from rest_framework.response import Response
from rest_framework.views import APIView

from devora_ops.common.errors import BudgetExceeded, Unprocessable
from tests.api.callers import as_key, as_person, codes_of, make_key

pytestmark = pytest.mark.django_db

CALLS = "/api/v1/calls/"


class Failing(APIView):
    """Fails as it is told."""

    permission_classes = ()
    failures = {
        "crash": RuntimeError("secret detail"),
        "down": OperationalError("server closed the connection"),
        "money": BudgetExceeded("No room.", param="model"),
        "template": Unprocessable(
            "Bad.", param="body", extra={"position": {"line": 3}}
        ),
    }

    def get(self, request, failure):
        """Fail."""
        raise self.failures[failure]

    def post(self, request, failure):
        """Echo."""
        return Response(request.data)


urlpatterns = [path("api/fail/<str:failure>/", Failing.as_view())]


def fail(client, failure, settings):
    settings.ROOT_URLCONF = __name__
    client.raise_request_exception = False
    return client.get(f"/api/fail/{failure}/")


def test_a_crash_tells_nothing_but_the_request_id(client, settings):
    answer = fail(client, "crash", settings)
    assert answer.status_code == 500
    assert codes_of(answer) == {"error"}
    text = answer.content.decode()
    assert answer.headers["X-Request-Id"] in text
    assert "secret" not in text
    assert "Traceback" not in text


def test_a_crash_under_debug_is_no_trace_either(client, settings):
    settings.DEBUG = True
    assert codes_of(fail(client, "crash", settings)) == {"error"}


def test_a_database_that_is_away_is_503(client, settings):
    answer = fail(client, "down", settings)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert codes_of(answer) == {"unavailable"}


def test_a_refusal_keeps_its_status_headers_and_field(client, settings):
    answer = fail(client, "money", settings)
    assert answer.status_code == 402
    assert answer.headers["x-should-retry"] == "false"
    assert answer.json()["errors"][0]["attr"] == "model"


def test_a_refusal_may_carry_facts(client, settings):
    answer = fail(client, "template", settings)
    assert answer.status_code == 422
    assert answer.json()["type"] == "validation_error"
    assert answer.json()["errors"][0]["position"] == {"line": 3}


def test_every_request_gets_an_id_of_its_own():
    api = as_key("read")
    ids = {api.get(CALLS).headers["X-Request-Id"] for _ in range(2)}
    assert len(ids) == 2


def test_a_caller_may_bring_an_id_along():
    answer = as_key("read").get(CALLS, HTTP_X_REQUEST_ID="nightly_run-17")
    assert answer.headers["X-Request-Id"] == "nightly_run-17"


@pytest.mark.parametrize("told", ["", "a b", "é", "²", "a,b", "<b>", "a" * 65])
def test_an_id_that_makes_no_sense_is_replaced(told):
    answer = as_key("read").get(CALLS, HTTP_X_REQUEST_ID=told)
    assert answer.headers["X-Request-Id"] != told
    assert answer.headers["X-Request-Id"].isalnum()


def test_a_host_that_is_not_ours_is_400():
    answer = as_key("read").get(CALLS, HTTP_HOST="evil.com")
    assert answer.status_code == 400
    assert codes_of(answer) == {"bad_request"}


def test_no_address_is_built_from_a_forwarded_host():
    api = as_key("read")
    answer = api.get(f"{CALLS}?limit=1", HTTP_X_FORWARDED_HOST="evil.com")
    assert answer.status_code == 200
    assert b"evil.com" not in answer.content


@pytest.mark.parametrize("method", ["TRACE", "PUT", "OPTIONS", "BREW"])
def test_a_method_nobody_has_is_405(method):
    answer = as_key("admin").generic(method, CALLS)
    assert answer.status_code == 405
    assert codes_of(answer) == {"method_not_allowed"}


def test_an_unknown_address_is_json_under_api_and_a_page_elsewhere():
    assert codes_of(Client().get("/api/nothing/")) == {"not_found"}
    page = Client().get("/nothing-here")
    assert page.status_code in (302, 404)
    assert "json" not in page.headers["Content-Type"]


def test_a_missing_slash_loses_neither_method_nor_body():
    answer = as_key("admin").post("/api/v1/budgets", {"name": "a"}, format="json")
    assert answer.status_code == 308
    assert answer.headers["Location"] == "/api/v1/budgets/"


@pytest.mark.parametrize("charset", ["bz2", "utf-16", "rot13", "nonsense"])
def test_a_codec_in_the_content_type_is_not_used(charset):
    async def sign_in():
        return await AsyncClient().generic(
            "POST",
            "/admin/login/?next=/x/",
            b"username=a&password=b",
            content_type=f"application/x-www-form-urlencoded; charset={charset}",
        )

    assert async_to_sync(sign_in)().status_code == 200


def test_a_session_cookie_with_nul_is_no_crash():
    client = Client(raise_request_exception=False)
    for cookie in (r'devora="\000\000\000\000\000\000\000\000"', "devora=\0abcdefgh"):
        assert client.get(CALLS, HTTP_COOKIE=cookie).status_code in (400, 401)
        assert client.get("/admin/", HTTP_COOKIE=cookie).status_code < 500


BAD_KEYS = {
    "B003": "Basic abc",
    "B004": "Bearer dvo_live_unknown0_" + "a" * 43 + "_00000000",
    "B007": "Bearer ' OR '1'='1",
    "B008": "Bearer " + "a" * 10_000,
    "B011": "Bearer a,Bearer b",
    "NUL": "Bearer a\0b",
    "no token": "Bearer ",
    "not ASCII": "Bearer clé",
}


@pytest.mark.parametrize("header", BAD_KEYS.values(), ids=BAD_KEYS.keys())
def test_a_key_that_is_none_is_401(header):
    answer = Client().get(CALLS, HTTP_AUTHORIZATION=header)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert codes_of(answer) == {"invalid_api_key"}


def test_a_key_is_never_read_from_the_url():
    token = make_key("admin")
    answer = Client().get(CALLS, {"api_key": token})
    assert answer.status_code == 400
    assert codes_of(answer) == {"unknown_parameter"}
    assert token.encode() not in answer.content


def test_a_session_without_the_csrf_token_cannot_write():
    from rest_framework.test import APIClient

    browser = APIClient(enforce_csrf_checks=True)
    browser.cookies = as_person("Owner").cookies
    answer = browser.post("/api/v1/budgets/", {}, format="json")
    assert answer.status_code == 403
    assert codes_of(answer) == {"permission_denied"}
