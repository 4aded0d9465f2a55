"""Experiments in the admin: drafts by form, steps by buttons that ask."""

import pytest
from django.test import Client

from experiments.models import Experiment
from experiments.services import experiment_start
from tests.api.callers import make_person

ADD = "/admin/experiments/experiment/add/"


@pytest.fixture
def editor(db):
    client = Client()
    client.force_login(make_person("Editor"))
    return client


def _form(of, *variants, **changes):
    form = {
        "slug": "tone",
        "prompt": of.pk,
        "hypothesis": "",
        "unit": "user",
        "primary_metric": "success",
        "guardrails": "[]",
        "min_days": "7",
        "variants-TOTAL_FORMS": len(variants),
        "variants-INITIAL_FORMS": 0,
    }
    for place, variant in enumerate(variants):
        for name, value in zip(("name", "number", "weight"), variant, strict=True):
            form[f"variants-{place}-{name}"] = value
    return {**form, **changes}


def _url(experiment, step):
    return f"/admin/experiments/experiment/{experiment.pk}/{step}/"


def _all_errors(answer):
    assert answer.status_code == 200
    inlines = answer.context["inline_admin_formsets"]
    return " ".join(
        str(errors)
        for inline in inlines
        for errors in (
            answer.context["adminform"].form.errors,
            inline.formset.errors,
            inline.formset.non_form_errors(),
        )
    )


def test_an_editor_makes_a_draft_with_its_variants(editor, greeting):
    answer = editor.post(ADD, _form(greeting, ("a", 1, 50), ("b", 2, 50)))
    assert answer.status_code == 302, _all_errors(answer)
    experiment = Experiment.objects.get(slug="tone")
    assert experiment.status == "draft"
    assert len(experiment.salt) == 16
    arms = experiment.variants.order_by("id")
    assert [(v.name, v.version.number, v.weight) for v in arms] == [
        ("a", 1, 50),
        ("b", 2, 50),
    ]


@pytest.mark.parametrize(
    ("variants", "changes", "words"),
    [
        ([("a", 1, 0), ("b", 2, 0)], {}, "weight above zero"),
        ([("a", 1, -1), ("b", 2, 1)], {}, "greater than or equal to 0"),
        ([("a", 1, 1)], {}, "at least two"),
        ([], {}, "at least two"),
        ([("a", 1, 1), ("b", 9, 1)], {}, "no such version"),
        ([("a", 1, 1), ("a", 2, 1)], {}, "duplicate"),
        ([("a", "9" * 5000, 1), ("b", 2, 1)], {}, "number"),
        ([("a\0b", 1, 1), ("b", 2, 1)], {}, "ull char"),
        ([("a", 1, 1), ("b", 2, 1)], {"slug": "no slug"}, "slug"),
        ([("a", 1, 1), ("b", 2, 1)], {"prompt": "abc"}, "valid choice"),
        ([("a", 1, 1), ("b", 2, 1)], {"guardrails": '["\\u0000"]'}, "nul_character"),
        ([("a", 1, 1), ("b", 2, 1)], {"min_days": "-1"}, "0"),
        ([("a", 1, 1), ("b", 2, 1)], {"primary_metric": "x"}, "valid choice"),
    ],
)
def test_a_bad_draft_comes_back_with_its_errors(
    editor, greeting, variants, changes, words
):
    answer = editor.post(ADD, _form(greeting, *variants, **changes))
    assert words in _all_errors(answer)
    assert not Experiment.objects.exists()


def test_a_draft_is_changed_and_what_runs_is_not(editor, draft):
    page = editor.get(_url(draft, "change"))
    assert b'name="variants-0-number"' in page.content
    experiment_start(experiment=draft, actor="user:ada")
    page = editor.get(_url(draft, "change"))
    assert page.status_code == 200
    assert b'name="variants-0-number"' not in page.content
    assert b'name="min_days"' not in page.content


def test_the_steps_ask_before_they_are_taken(editor, draft, greeting):
    for step, status in (("start", "running"), ("stop", "stopped")):
        assert editor.get(_url(draft, step)).status_code == 200
        before = Experiment.objects.get().status
        assert before != status
        assert editor.post(_url(draft, step)).status_code == 302
        assert Experiment.objects.get().status == status
    answer = editor.post(
        _url(draft, "promote"), {"variant": "short", "label": "production"}
    )
    assert answer.status_code == 302
    assert Experiment.objects.get().winner == "short"
    assert greeting.labels.numbers() == {"production": 2}


def test_a_step_that_cannot_be_taken_says_why(editor, draft):
    answer = editor.post(_url(draft, "stop"))
    assert answer.status_code == 200
    assert "The experiment is Draft." in answer.content.decode()
    answer = editor.post(_url(draft, "promote"), {"variant": "x", "label": "A B"})
    assert answer.status_code == 200


def test_a_viewer_takes_no_steps(draft):
    viewer = Client()
    viewer.force_login(make_person("Viewer"))
    assert viewer.get(_url(draft, "change")).status_code == 200
    for step in ("start", "stop", "promote"):
        assert viewer.post(_url(draft, step)).status_code == 403
    assert viewer.get(ADD).status_code == 403


@pytest.mark.parametrize("pk", ["abc", "9" * 30, "0"])
def test_steps_of_nothing_are_404(editor, pk):
    url = f"/admin/experiments/experiment/{pk}/start/"
    assert editor.get(url).status_code == 404


def test_the_page_of_nothing_leads_back(editor):
    answer = editor.get("/admin/experiments/experiment/abc/change/")
    assert answer.status_code == 302


def test_only_the_steps_that_can_be_taken_are_offered(editor, draft):
    page = editor.get(_url(draft, "change")).content.decode()
    assert _url(draft, "start") in page
    assert _url(draft, "stop") not in page
    assert _url(draft, "promote") not in page
