"""The admin's editor: texts in, an immutable version out."""

import pytest
from django.test import Client

from prompts.models import Prompt, PromptVersion
from prompts.services import label_move, version_create
from tests.api.callers import make_person

ADD_PROMPT = "/admin/prompts/prompt/add/"
ADD_VERSION = "/admin/prompts/promptversion/add/"
PREVIEW = "/admin/prompts/promptversion/preview/"
TEXTS = {"system": "Be {{ tone|default('kind') }}.", "user": "Hello {{ name }}"}
NEW = {
    "slug": "hello",
    "name": "Hello",
    "description": "",
    **TEXTS,
    "model": "smart",
    "temperature": "0.5",
    "max_tokens": "100",
}


@pytest.fixture
def editor(db):
    return _client("Editor")


def _client(role):
    client = Client()
    client.force_login(make_person(role))
    return client


def _version_form(client, greeting, **changes):
    page = client.get(f"{ADD_VERSION}?prompt={greeting.pk}")
    form = page.context["adminform"].form
    shown = {name: form[name].value() for name in form.fields}
    filled = {name: "" if value is None else value for name, value in shown.items()}
    return {**filled, **changes}


def _errors(answer):
    assert answer.status_code == 200, answer.headers
    return answer.context["adminform"].form.errors


def test_an_editor_makes_a_prompt_by_writing_texts(editor):
    answer = editor.post(ADD_PROMPT, NEW)
    assert answer.status_code == 302, _errors(answer)
    version = Prompt.objects.get(slug="hello").versions.get()
    assert version.messages == [
        {"role": "system", "content": TEXTS["system"]},
        {"role": "user", "content": TEXTS["user"]},
    ]
    assert version.parameters == {"temperature": 0.5, "max_tokens": 100}
    assert version.created_by.startswith("user:Editor")


def test_the_form_of_a_new_version_is_filled_from_the_newest(editor, greeting):
    version_create(
        prompt=greeting,
        definition={"messages": [{"role": "user", "content": "Just {{ name }}"}]},
        actor="user:bo",
    )
    form = _version_form(editor, greeting)
    assert (form["user"], form["system"], form["messages"]) == (
        "Just {{ name }}",
        "",
        "",
    )
    assert (form["model"], form["temperature"], form["based_on"]) == ("smart", 0.2, 2)
    first = greeting.versions.get(number=1)
    url = f"{ADD_VERSION}?prompt={greeting.pk}&from={first.pk}"
    shown = editor.get(url).context["adminform"].form
    assert shown["user"].value() == "Hello, I am {{ name }}."
    assert shown["based_on"].value() == 2


def test_saving_makes_the_next_version(editor, greeting):
    form = _version_form(editor, greeting, user="Hi {{ name }}", note="Shorter")
    answer = editor.post(ADD_VERSION, form)
    assert answer.status_code == 302, _errors(answer)
    version = greeting.versions.first()
    assert (version.number, version.note) == (2, "Shorter")
    assert version.messages[1]["content"] == "Hi {{ name }}"
    assert version.variables["name"]["example"] == "Ada"


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"user": "Hello\n{{ name"}, "user", "Line 2, column 1"),
        ({"system": "{{ x.__class__ }}"}, "system", "Line 1, column 6"),
        ({"user": "", "system": ""}, "user", "at least one message"),
        ({"user": "x" * 70_000}, "user", "65536 bytes"),
        ({"user": "a\0b"}, "user", "NUL"),
        ({"messages": "{"}, "messages", "parse_error"),
        ({"messages": '[{"role": "robot", "content": "x"}]'}, "messages", "role"),
        ({"variables": '{"k": "\\u0000"}'}, "variables", "nul_character"),
        ({"variables": '{"k": NaN}'}, "variables", "parse_error"),
        ({"variables": "[" * 100_000}, "variables", "parse_error"),
        ({"variables": '{"loop": "string"}'}, None, "reserved"),
        ({"parameters": "[1]"}, "parameters", "object"),
        ({"parameters": '{"api_key": "x"}'}, "parameters", "cannot set"),
        ({"parameters": '{"max_tokens": "many"}'}, "parameters", "whole number"),
        ({"temperature": "1e999"}, "temperature", ""),
        ({"temperature": "nan"}, "temperature", ""),
        ({"max_tokens": "9" * 5000}, "max_tokens", ""),
        ({"corpus": "nothing"}, "corpus", ""),
        ({"prompt": "abc"}, "prompt", "valid choice"),
        ({"based_on": "abc"}, "based_on", "whole number"),
        ({"model": ""}, "model", "required"),
        ({"model": "prompt:x"}, "model", "no name"),
        ({"note": "a\u0007b"}, "note", "ontrol"),
        ({"note": "a" * 201}, "note", "200"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(editor, greeting, changes, field, words):
    written = {"prompt": greeting.pk, "based_on": 1, **TEXTS, "model": "smart"}
    form = {**written, **changes}
    errors = _errors(editor.post(ADD_VERSION, form))
    assert words in str(errors[field] if field else errors), errors
    assert greeting.versions.count() == 1


def test_a_version_saved_meanwhile_is_not_saved_over(editor, greeting):
    form = {**_version_form(editor, greeting, user="Mine"), "variables": ""}
    version_create(prompt=greeting, definition={}, actor="user:bo")
    answer = editor.post(ADD_VERSION, form)
    assert "user:bo saved version 2" in str(_errors(answer))
    again = answer.context["adminform"].form
    assert again["user"].value() == "Mine"
    assert again["based_on"].value() == "2"
    assert editor.post(ADD_VERSION, {**form, "based_on": "2"}).status_code == 302
    assert greeting.versions.count() == 3


def test_a_version_is_looked_at_and_never_changed(editor, greeting):
    version = greeting.versions.get()
    url = f"/admin/prompts/promptversion/{version.pk}/"
    page = editor.get(f"{url}change/")
    assert page.status_code == 200
    assert "Hello, I am {{ name }}." in page.content.decode()
    assert editor.post(f"{url}change/", {"model": "x"}).status_code == 403
    assert editor.get(f"{url}delete/").status_code == 403


def test_a_text_that_looks_like_html_is_shown_as_text(editor, greeting):
    version = version_create(
        prompt=greeting,
        definition={"messages": [{"role": "user", "content": "<script>x</script>"}]},
        actor="user:bo",
    )
    page = editor.get(f"/admin/prompts/promptversion/{version.pk}/change/")
    assert "&lt;script&gt;x&lt;/script&gt;" in page.content.decode()
    assert "<script>x" not in page.content.decode()


def test_a_label_is_moved_from_the_page_of_a_version(editor, greeting):
    url = f"/admin/prompts/promptversion/{greeting.versions.get().pk}/move-label/"
    assert editor.get(url).status_code == 200
    assert greeting.labels.count() == 0
    assert editor.post(url, {"label": "production"}).status_code == 302
    assert greeting.labels.numbers() == {"production": 1}
    answer = editor.post(url, {"label": "Not A Label"})
    assert answer.status_code == 200
    assert "lower-case" in answer.content.decode()


def test_a_prompts_page_shows_versions_and_labels(editor, greeting):
    label_move(prompt=greeting, label="production", number=1, actor="user:ada")
    page = editor.get(f"/admin/prompts/prompt/{greeting.pk}/change/").content.decode()
    assert "production" in page
    assert f"/admin/prompts/promptversion/{greeting.versions.get().pk}/change/" in page
    assert "new-version" in page
    assert "hx-post" not in page


def test_describing_a_prompt_leaves_its_versions_alone(editor, greeting):
    url = f"/admin/prompts/prompt/{greeting.pk}/change/"
    inlines = editor.get(url).context["inline_admin_formsets"]
    management = {
        f"{inline.formset.prefix}-{name}": value
        for inline in inlines
        for name, value in inline.formset.management_form.initial.items()
    }
    described = {"name": "Salutation", "description": "Says hello"}
    answer = editor.post(url, {**management, **described})
    assert answer.status_code == 302, _errors(answer)
    greeting.refresh_from_db()
    assert (greeting.slug, greeting.name) == ("greeting", "Salutation")
    assert greeting.versions.count() == 1


def test_deleting_a_prompt_takes_its_versions_along(editor, greeting):
    url = f"/admin/prompts/prompt/{greeting.pk}/delete/"
    assert editor.post(url, {"post": "yes"}).status_code == 302
    assert not PromptVersion.objects.exists()


def test_the_preview_fills_in_samples_examples_and_names(editor):
    answer = editor.post(
        PREVIEW,
        {
            "system": "{{ a }} {{ b }} {{ c }}",
            "variables": '{"b": {"example": "B"}}',
            "sample": '{"c": "<C>"}',
        },
    )
    assert "‹a› B &lt;C&gt;" in answer.content.decode()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "Write a text"),
        ({"user": "Hi {{ name"}, "Line 1, column 4"),
        ({"user": "Hi", "sample": "{"}, "parse_error"),
        ({"user": "{{ x.y.z }}", "sample": '{"x": {}}'}, "x.y"),
        ({"messages": '{"a": 1}'}, ""),
        ({"messages": "[1]"}, ""),
        ({"user": "Hi", "variables": "[1]"}, "object"),
    ],
)
def test_the_preview_of_half_a_text_is_no_error_page(editor, fields, words):
    answer = editor.post(PREVIEW, fields)
    assert answer.status_code == 200
    assert words in answer.content.decode()


def test_a_viewer_reads_and_changes_nothing(greeting):
    viewer = _client("Viewer")
    assert viewer.get(f"/admin/prompts/prompt/{greeting.pk}/change/").status_code == 200
    version = greeting.versions.get()
    for url in (
        ADD_PROMPT,
        ADD_VERSION,
        f"/admin/prompts/promptversion/{version.pk}/move-label/",
        f"/admin/prompts/prompt/{greeting.pk}/new-version/",
    ):
        assert viewer.get(url).status_code == 403, url
    assert viewer.post(PREVIEW, {"user": "Hi"}).status_code == 403
    assert Client().post(PREVIEW, {"user": "Hi"}).status_code == 302


@pytest.mark.parametrize(
    "query", ["?name__exact=%00", "?p=99999", "?prompt__id__exact=abc", "?slug=%FF"]
)
def test_hostile_lists_are_no_error_pages(editor, greeting, query):
    for url in ("/admin/prompts/prompt/", "/admin/prompts/promptversion/"):
        assert editor.get(url + query).status_code in (200, 302)


@pytest.mark.parametrize(
    "query", ["?prompt=abc", "?prompt=" + "9" * 30, "?from=x", "?prompt="]
)
def test_a_form_for_no_prompt_is_an_empty_form(editor, query):
    assert editor.get(ADD_VERSION + query).status_code == 200


@pytest.mark.parametrize("pk", ["abc", "9" * 30, "0"])
def test_actions_on_nothing_lead_nowhere(editor, pk):
    for action in ("move-label", "new-version"):
        url = f"/admin/prompts/promptversion/{pk}/{action}/"
        assert editor.get(url).status_code in (302, 404)


def test_a_viewer_sees_a_version_without_its_text(db, greeting):
    url = f"/admin/prompts/promptversion/{greeting.versions.get().pk}/change/"
    page = _client("Viewer").get(url).content.decode()
    assert "Content hidden (ask an owner)" in page
    assert "smart" in page
    assert "Hello, I am" not in page
    assert "Ada" not in page
    assert "Hello, I am" in _client("Editor").get(url).content.decode()


@pytest.mark.parametrize(
    "lookup",
    [
        "promptversion/?messages__icontains=Hello",
        "promptversion/?variables__icontains=Ada",
        "prompt/?versions__messages__icontains=Hello",
    ],
)
def test_a_viewer_cannot_search_the_texts_either(db, greeting, lookup):
    assert _client("Viewer").get(f"/admin/prompts/{lookup}").status_code == 400
