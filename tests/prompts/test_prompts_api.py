"""Prompts over REST: what agents and people send, and what they get."""

import pytest

from devora_ops.common.models import User
from devora_ops.common.people import let_see_content
from prompts.models import Prompt, PromptVersion
from tests.api.callers import as_key, as_person, codes_of
from tests.prompts.conftest import GREETING

PROMPTS = "/api/v1/prompts/"
GREETING_URL = f"{PROMPTS}greeting/"
BODY = {"slug": "greeting", "name": "Greeting", **GREETING}


@pytest.fixture
def api(db):
    return as_key("write")


@pytest.fixture
def caller(db):
    return as_key("call")


def _post(client, url, body):
    return client.post(url, body, format="json")


def test_a_prompt_is_made_with_its_first_version(api, docs):
    answer = _post(api, PROMPTS, {**BODY, "corpus": "docs", "cache": {"ttl_s": 60}})
    assert answer.status_code == 201, answer.content
    made = answer.json()
    assert (made["slug"], made["version"], made["labels"]) == ("greeting", 1, {})
    assert made["latest"]["messages"] == GREETING["messages"]
    assert made["latest"]["corpus"] == "docs"
    assert made["latest"]["retrieval"] == {"top_k": 5}
    assert made["latest"]["cache"] == {"ttl_s": 60}
    assert made["latest"]["created_by"].startswith("key:")


def test_a_prompt_is_read_with_labels_and_newest_version(api, greeting):
    _post(api, f"{GREETING_URL}versions/", {"model": "cheap"})
    api.put(f"{GREETING_URL}labels/production/", {"version": 1}, format="json")
    found = as_key("read").get(GREETING_URL).json()
    assert found["labels"] == {"production": 1}
    assert (found["version"], found["latest"]["model"]) == (2, "cheap")


def test_prompts_and_versions_are_listed_newest_first(api, greeting):
    _post(api, PROMPTS, {**BODY, "slug": "other", "name": "Other"})
    _post(api, f"{GREETING_URL}versions/", {"model": "cheap"})
    reader = as_key("read")
    assert [p["slug"] for p in reader.get(PROMPTS).json()["results"]] == [
        "other",
        "greeting",
    ]
    page = reader.get(f"{GREETING_URL}versions/?limit=1").json()
    assert [v["version"] for v in page["results"]] == [2]
    rest = reader.get(page["next"]).json()
    assert [v["version"] for v in rest["results"]] == [1]


def test_a_version_is_read_by_its_number(greeting, api):
    reader = as_key("read")
    found = reader.get(f"{GREETING_URL}versions/1/").json()
    assert (found["prompt"], found["version"]) == ("greeting", 1)
    answer = reader.get(f"{GREETING_URL}versions/2/")
    assert (answer.status_code, codes_of(answer)) == (404, {"version_not_found"})


def test_a_new_version_on_top_of_an_unseen_one_is_a_conflict(api, greeting):
    url = f"{GREETING_URL}versions/"
    assert _post(api, url, {"model": "cheap", "based_on": 1}).status_code == 201
    answer = _post(api, url, {"model": "dear", "based_on": 1})
    assert (answer.status_code, codes_of(answer)) == (409, {"conflict"})


def test_a_label_is_made_and_moved(api, greeting):
    url = f"{GREETING_URL}labels/production/"
    answer = api.put(url, {"version": 1}, format="json")
    assert answer.status_code == 200
    assert (answer.json()["label"], answer.json()["version"]) == ("production", 1)
    _post(api, f"{GREETING_URL}versions/", {"model": "cheap"})
    assert api.put(url, {"version": 2}, format="json").json()["version"] == 2
    answer = api.put(url, {"version": 3}, format="json")
    assert (answer.status_code, codes_of(answer)) == (404, {"version_not_found"})


def test_rendering_takes_production_a_label_or_a_number(api, caller, greeting):
    _post(
        api,
        f"{GREETING_URL}versions/",
        {"messages": [{"role": "user", "content": "Yo {{ name }}"}]},
    )
    api.put(f"{GREETING_URL}labels/production/", {"version": 1}, format="json")
    api.put(f"{GREETING_URL}labels/next/", {"version": 2}, format="json")
    url, variables = f"{GREETING_URL}render/", {"variables": {"name": "Ada"}}
    assert _post(caller, url, variables).json() == {
        "messages": [
            {"role": "system", "content": "You are kind."},
            {"role": "user", "content": "Hello, I am Ada."},
        ],
        "version": 1,
    }
    for choice in ({"label": "next"}, {"version": 2}):
        assert _post(caller, url, {**variables, **choice}).json() == {
            "messages": [{"role": "user", "content": "Yo Ada"}],
            "version": 2,
        }


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"variables": {}}, 404, "label_not_found"),
        ({"label": "nope"}, 404, "label_not_found"),
        ({"version": 9}, 404, "version_not_found"),
        ({"version": 10**15}, 404, "version_not_found"),
        ({"version": 1}, 422, "template_variable_missing"),
        ({"version": 1, "variables": {"name": 3}}, 422, "variable_type"),
        (
            {"version": 1, "variables": {"name": "a", "__class__": 1}},
            422,
            "invalid_name",
        ),
        ({"version": 1, "label": "production"}, 400, "invalid"),
        ({"version": "1"}, 400, "invalid"),
        ({"version": True}, 400, "invalid"),
        ({"variables": []}, 400, "not_a_dict"),
        ({"vars": {}}, 400, "unknown_field"),
        ([], 400, "invalid"),
    ],
)
def test_what_cannot_be_rendered_is_said(caller, greeting, body, status, code):
    answer = _post(caller, f"{GREETING_URL}render/", body)
    assert (answer.status_code, codes_of(answer)) == (status, {code})


def test_missing_variables_are_listed(caller, greeting):
    answer = _post(caller, f"{GREETING_URL}render/", {"version": 1})
    assert answer.json()["errors"][0]["names"] == ["name"]


def test_a_value_that_looks_like_a_template_stays_text(caller, greeting):
    body = {"version": 1, "variables": {"name": "{{7*7}}"}}
    answer = _post(caller, f"{GREETING_URL}render/", body)
    assert answer.json()["messages"][1]["content"] == "Hello, I am {{7*7}}."


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"slug": "no slug"}, 400, "invalid"),
        ({"slug": "a" * 65}, 400, "max_length"),
        ({"slug": None}, 400, "null"),
        ({"name": "\u202eevil"}, 400, "control_character"),
        ({"name": "a\r\nX-Injected: 1"}, 400, "control_character"),
        ({"name": "\u200b\u200b"}, 400, "blank"),
        ({"name": "a" * 101}, 400, "max_length"),
        ({"name": 5}, 400, "invalid"),
        ({"messages": "hi"}, 400, "invalid"),
        ({"messages": []}, 400, "invalid"),
        ({"model": 5}, 400, "invalid"),
        ({"parameters": {"base_url": "http://e.test"}}, 400, "invalid"),
        ({"owner": "me"}, 400, "unknown_field"),
        ({"variables": {"self": "string"}}, 422, "reserved"),
        (
            {"messages": [{"role": "user", "content": "{{ a.__class__ }}"}]},
            422,
            "template_forbidden",
        ),
        (
            {"messages": [{"role": "user", "content": "x" * 100_000}]},
            413,
            "payload_too_large",
        ),
    ],
)
def test_a_bad_prompt_is_refused_and_not_stored(api, changes, status, code):
    answer = _post(api, PROMPTS, {**BODY, **changes})
    assert (answer.status_code, codes_of(answer)) == (status, {code})
    assert not Prompt.objects.exists()


def test_a_template_error_says_where(api):
    messages = [{"role": "user", "content": "Hello\n{{ name"}]
    answer = _post(api, PROMPTS, {**BODY, "messages": messages})
    (error,) = answer.json()["errors"]
    assert error["attr"] == "messages.0.content"
    assert error["position"] == {"line": 2, "column": 1}


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "{{7*7}}", "👩‍👩‍👧‍👦", "\uffff"]
)
def test_odd_names_come_back_as_they_are(api, name):
    answer = _post(api, PROMPTS, {**BODY, "name": name})
    assert (answer.status_code, answer.json()["name"]) == (201, name)


def test_the_same_slug_twice_is_refused(api, greeting):
    answer = _post(api, PROMPTS, {**BODY, "name": "Another"})
    assert (answer.status_code, codes_of(answer)) == (400, {"unique"})


def test_sending_a_prompt_again_with_its_key_makes_it_once(api):
    headers = {"HTTP_IDEMPOTENCY_KEY": "once"}
    first = api.post(PROMPTS, BODY, format="json", **headers)
    again = api.post(PROMPTS, BODY, format="json", **headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert PromptVersion.objects.count() == 1


def test_what_is_not_there_is_404(api, caller):
    for answer in (
        as_key("read").get(f"{PROMPTS}nothing/"),
        _post(api, f"{PROMPTS}nothing/versions/", {}),
        api.put(f"{PROMPTS}nothing/labels/x/", {"version": 1}, format="json"),
        _post(caller, f"{PROMPTS}nothing/render/", {}),
    ):
        assert (answer.status_code, codes_of(answer)) == (404, {"prompt_not_found"})


REQUESTS = {
    "read": [
        ("get", PROMPTS),
        ("get", GREETING_URL),
        ("get", f"{GREETING_URL}versions/"),
    ],
    "write": [
        ("post", PROMPTS),
        ("post", f"{GREETING_URL}versions/"),
        ("put", f"{GREETING_URL}labels/x/"),
    ],
    "call": [("post", f"{GREETING_URL}render/")],
}


@pytest.mark.parametrize("scope", ["read", "write", "call"])
@pytest.mark.parametrize("needed", REQUESTS)
def test_a_key_reaches_what_its_scope_says(greeting, scope, needed):
    client = as_key(scope)
    for method, url in REQUESTS[needed]:
        answer = getattr(client, method)(url, {}, format="json")
        assert (answer.status_code == 403) is (scope != needed), (method, url)


@pytest.mark.parametrize(
    ("role", "may_read", "may_write"),
    [(None, False, False), ("Viewer", True, False), ("Editor", True, True)],
)
def test_people_reach_what_their_role_says(greeting, role, may_read, may_write):
    client = as_person(role)
    assert (client.get(PROMPTS).status_code == 200) is may_read
    for scope in ("write", "call"):
        for method, url in REQUESTS[scope]:
            answer = getattr(client, method)(url, {}, format="json")
            assert (answer.status_code != 403) is may_write, (method, url)


def _texts(answer):
    body = answer.json()
    version = body["results"][0] if "results" in body else body.get("latest", body)
    return version["content_hidden"], version["messages"], version["variables"]


READS = (GREETING_URL, f"{GREETING_URL}versions/", f"{GREETING_URL}versions/1/")


@pytest.mark.parametrize("url", READS)
def test_who_sees_numbers_only_reads_no_text_of_a_prompt(greeting, url):
    for reader in (as_person("Viewer"), as_key("read")):
        hidden, messages, variables = _texts(reader.get(url))
        assert (hidden, messages) == (True, None)
        assert variables["name"] == {"type": "string", "required": True}


@pytest.mark.parametrize("url", READS)
def test_who_works_with_prompts_reads_their_text(greeting, url):
    trusted = as_person("Viewer")
    let_see_content(User.objects.get(pk=trusted.session["_auth_user_id"]), True)
    keys = (as_key("read", "call"), as_key("read", "write"), as_key("admin"))
    for reader in (as_person("Editor"), trusted, *keys):
        hidden, messages, variables = _texts(reader.get(url))
        assert (hidden, messages[0]["role"]) == (False, "system")
        assert variables["name"]["example"] == "Ada"
