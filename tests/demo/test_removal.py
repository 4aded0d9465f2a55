"""`demo remove` takes what `demo load` brought, and nothing else."""

from decimal import Decimal

import pytest
from django.db import connection

from devora_ops.common.models import Team
from devora_ops.demo.loading import is_loaded, load
from devora_ops.demo.removal import remove
from devora_ops.demo.stage import DemoRefused
from llm.models import Model, Provider
from llm.services import agent_ensure, apikey_create, provider_ensure
from prompts.services import label_move, prompt_create
from tests.demo.conftest import NOW, new_secrets

pytestmark = pytest.mark.django_db


@pytest.fixture
def secrets(tmp_path):
    """Return the secrets of a new installation."""
    return new_secrets(tmp_path)


def rows_by_table() -> dict[str, int]:
    """Count every table's rows; the audit keeps what was done."""
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
        counts = {}
        for table in sorted(tables - {"ops_auditentry"}):
            cursor.execute(f'SELECT count(*) FROM "{table}"')
            counts[table] = cursor.fetchone()[0]
        return counts


def few(secrets, **options):
    """Load a few calls."""
    return load(secrets, now=NOW, days=9, calls_per_day=20, **options)


def test_a_database_is_as_it_was_before(secrets):
    agent = agent_ensure(slug="mine", team="mine")
    apikey_create(agent=agent)
    prompt = prompt_create(
        slug="mine",
        name="Mine",
        definition={"messages": [{"role": "user", "content": "Hi"}], "model": "smart"},
        actor="me",
    )
    label_move(prompt=prompt, label="production", number=1, actor="me")
    before = rows_by_table()
    few(secrets)
    assert rows_by_table() != before
    removed = remove(keys_end_s=0)
    assert removed is not None
    assert removed["calls"] == 180
    assert removed["prompts"] == 4
    after = rows_by_table()
    assert {k: v for k, v in after.items() if k in before} == before


def test_it_says_so_when_there_is_nothing_to_remove():
    assert remove(keys_end_s=0) is None


def test_it_can_be_loaded_again(secrets):
    few(secrets)
    remove(keys_end_s=0)
    assert few(secrets) == 180


def test_a_provider_that_has_got_a_key_stays(secrets):
    few(secrets)
    provider_ensure(
        slug="openai",
        kind="openai",
        name="OpenAI",
        base_url="https://api.openai.com/v1",
        secret="sk-a-real-one-of-somebody",
        from_environment=True,
    )
    assert Provider.objects.get(slug="openai").is_active
    remove(keys_end_s=0)
    assert set(Provider.objects.values_list("slug", flat=True)) == {"openai"}


def test_providers_without_a_key_are_inactive_and_their_models_have_colours(secrets):
    few(secrets)
    assert not Provider.objects.filter(is_active=True).exists()
    assert Model.objects.filter(color_slot=None).count() == 0
    assert Model.objects.count() == 11


def test_names_that_somebody_uses_are_not_touched(secrets):
    agent = agent_ensure(slug="support-bot", team="mine")
    before = rows_by_table()
    with pytest.raises(DemoRefused, match="agent 'support-bot'"):
        few(secrets)
    assert {k: v for k, v in rows_by_table().items() if k in before} == before
    agent.refresh_from_db()
    assert agent.team.slug == "mine"
    assert not is_loaded()


def test_a_team_of_that_name_is_somebodys(secrets):
    Team.objects.create(slug="demo", name="Our demos")
    with pytest.raises(DemoRefused, match="team 'demo'"):
        few(secrets)
    assert remove(keys_end_s=0) is None
    assert Team.objects.filter(slug="demo").exists()


def test_budgets_have_limits_that_people_choose(secrets):
    few(secrets)
    with connection.cursor() as cursor:
        cursor.execute("SELECT limit_usd FROM costs_budget")
        limits = [limit for (limit,) in cursor.fetchall()]
    assert len(limits) == 2
    assert all(
        len(Decimal(limit).normalize().as_tuple().digits) <= 2 for limit in limits
    )
