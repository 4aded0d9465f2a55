"""Details of the admin's pages: what a person is told, and by which name."""

import pytest
from django.contrib.messages import get_messages
from django.utils import timezone

from costs.models import Budget
from devora_ops.common.models import Team
from devora_ops.demo.cast import MODELS
from experiments.models import Experiment
from llm.models import Model, Provider
from llm.services import model_ensure
from prompts.models import Prompt, PromptVersion
from rag.models import Corpus
from tests.api.callers import as_person

pytestmark = pytest.mark.django_db


def page(person, address):
    answer = person.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def provider(**fields):
    return Provider.objects.create(
        slug="acme",
        name="Acme",
        kind="openai",
        base_url="https://a.example/v1",
        **fields,
    )


def budget(**scope):
    fields = ("team", "agent", "end_user", "model", "prompt", "experiment")
    return {
        "name": "Care",
        "limit_usd": "5",
        "period": "month",
        "time_zone": "UTC",
        **dict.fromkeys(fields, ""),
        **scope,
    }


@pytest.mark.parametrize(
    "scope",
    [
        {"team": "nobody"},
        {"agent": "bott"},
        {"model": "acme/two"},
        {"prompt": "welcom"},
        {"experiment": "x"},
    ],
)
def test_a_budget_that_guards_nothing_is_saved_with_a_warning(scope):
    provider().models.create(name="one")
    answer = as_person("Editor").post("/admin/costs/budget/add/", budget(**scope))
    told = [str(message) for message in get_messages(answer.wsgi_request)]
    assert any("guards nothing yet" in text for text in told), told
    assert Budget.objects.exists()


def test_a_budget_of_what_there_is_is_saved_without_one():
    provider().models.create(name="one")
    Team.objects.create(slug="care", name="Care")
    sent = budget(team="care", model="acme/one", end_user="anybody")
    answer = as_person("Editor").post("/admin/costs/budget/add/", sent)
    told = [str(message) for message in get_messages(answer.wsgi_request)]
    assert not any("guards nothing" in text for text in told)


def test_an_experiment_that_runs_shows_its_counts_and_nothing_to_save():
    prompt = Prompt.objects.create(slug="welcome", name="Welcome")
    version = PromptVersion.objects.create(prompt=prompt, number=1, messages=[])
    experiment = Experiment.objects.create(
        slug="shorter", prompt=prompt, status="running", started_at=timezone.now()
    )
    variant = experiment.variants.create(name="brief", version=version)
    for unit in range(3):
        experiment.exposures.create(unit_hash=unit, variant=variant)
    address = f"/admin/experiments/experiment/{experiment.pk}/change/"
    shown = page(as_person("Editor"), address)
    assert "What was counted" in shown
    assert "<td>3</td>" in shown
    assert 'name="_save' not in shown
    assert 'name="_addanother"' not in shown
    Experiment.objects.update(status="draft")
    shown = page(as_person("Editor"), address)
    assert "What was counted" not in shown
    assert 'name="_save"' in shown


def test_a_corpus_shows_its_documents_and_chunks():
    corpus = Corpus.objects.create(
        slug="help", name="Help", embedder="hash", dimension=8
    )
    shown = page(as_person("Viewer"), f"/admin/rag/corpus/{corpus.pk}/change/")
    assert "Documents ready" in shown
    assert "0 / 0" in shown
    assert "Chunks" in shown


def test_a_providers_form_says_whether_a_key_is_stored():
    made = provider()
    owner = as_person("Owner")
    address = f"/admin/llm/provider/{made.pk}/change/"
    assert "No key is stored yet." in page(owner, address)
    Provider.objects.update(sealed_secret="x", last_four="abcd")
    assert "A key that ends in abcd is stored." in page(owner, address)


def test_a_colour_is_shown_not_only_numbered():
    provider().models.create(name="one", color_slot=7)
    assert 'class="swatch slot-7"' in page(as_person("Owner"), "/admin/llm/model/")


def test_a_new_model_takes_the_colour_that_the_fewest_have():
    Model.objects.all().delete()
    made = provider()
    for name in ("a", "b", "c"):
        model_ensure(provider=made, name=name)
    Model.objects.get(name="a").delete()
    assert model_ensure(provider=made, name="d").color_slot == 1
    assert model_ensure(provider=made, name="e").color_slot == 4


def test_no_two_models_of_the_demos_history_share_a_colour():
    assert len(set(MODELS.values())) == len(MODELS)


@pytest.mark.parametrize(
    ("address", "title"),
    [
        ("/admin/costs/price/", "Price book"),
        ("/admin/rag/corpus/", "Corpora"),
        ("/admin/ops/auditentry/", "Audit log"),
    ],
)
def test_a_page_has_one_name_in_the_sidebar_and_at_its_top(address, title):
    shown = page(as_person("Owner"), address)
    assert shown.count(title) >= 2


def test_the_icon_is_found_by_its_old_name(client):
    answer = client.get("/favicon.ico")
    assert answer.status_code == 301
    assert answer.headers["Location"].endswith(".svg")
