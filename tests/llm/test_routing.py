"""Which target of a route serves: conditions, abilities, room, and four strategies."""

import random
import uuid
from collections import Counter
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costs.facts import Who
from llm.conditions import check_conditions
from llm.gateway.routing import EXPLORE, Asked, choose, unfit
from llm.snapshot import RouteSnapshot, Target, Upstream
from tests.installation_under_test import Installation, wait_until

UPSTREAM = Upstream("p", "compatible", "http://x/v1", False, "")
HELLO = [{"role": "user", "content": "hi"}]


class Known:
    """A market of fixed prices and latencies, by the model's name."""

    def __init__(self, usd: Any = None, latency: Any = None) -> None:
        self._usd, self._latency = usd or {}, latency or {}

    def usd(self, target: Target, input_tokens: int, output_tokens: int) -> Any:
        return self._usd.get(target.name)

    def latency_ms(self, target: Target) -> float | None:
        return self._latency.get(target.name)


def target(name: str, **fields: Any) -> Target:
    return Target(UPSTREAM, name, **fields)


def asked(body: Any = None, *, size: int = 400, **who: Any) -> Asked:
    return Asked(Who(**who), {"messages": HELLO, **(body or {})}, size)


def names(strategy: str, *targets: Target, market: Any = None, **fields: Any):
    route = RouteSnapshot("r", strategy, 4096, targets)
    choice = choose(route, fields.pop("request", asked()), market or Known(), **fields)
    return [each.name for each in choice.targets], choice


@pytest.mark.parametrize(
    ("conditions", "request_", "fits"),
    [
        ({}, asked(), True),
        ({"agents": ["a"]}, asked(agent="a"), True),
        ({"agents": ["a"]}, asked(agent="b"), False),
        ({"teams": ["t"]}, asked(team="t", agent="x"), True),
        ({"teams": ["t"]}, asked(), False),
        ({"min_input_tokens": 101}, asked(), False),
        ({"min_input_tokens": 100}, asked(), True),
        ({"max_input_tokens": 99}, asked(), False),
        ({"max_input_tokens": 100}, asked(), True),
        ({"metadata": {"kind": "x"}}, asked({"metadata": {"kind": "x"}}), True),
        ({"metadata": {"kind": "x"}}, asked({"metadata": "x"}), False),
        ({"metadata": {"kind": "x"}}, asked(), False),
    ],
)
def test_conditions_decide_whom_a_target_serves(conditions, request_, fits):
    assert (unfit(target("m", conditions=conditions), request_) == "") is fits


def content(kind: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"type": kind}]}]}


def result_with(kind: str) -> dict[str, Any]:
    """Return a body in which a tool answered with such a part."""
    result = {"type": "tool_result", "content": [{"type": kind}]}
    return {"messages": [{"role": "user", "content": [result]}]}


@pytest.mark.parametrize(
    ("ability", "body"),
    [
        ("tools", {"tools": [{"type": "function"}]}),
        ("json_schema", {"response_format": {"type": "json_schema"}}),
        ("vision", content("image_url")),
        ("vision", content("image")),
        ("pdf", content("file")),
        ("audio", content("input_audio")),
        ("json_schema", {"output_config": {"format": {"type": "json_schema"}}}),
        ("vision", result_with("image")),
    ],
)
def test_a_target_that_lacks_an_ability_falls_out(ability, body):
    without = target("blind", abilities={ability: False})
    unknown, able = target("unknown"), target("able", abilities={ability: True})
    chosen, choice = names("priority", without, unknown, able, request=asked(body))
    assert chosen == ["unknown", "able"]
    assert choice.left_out == {"p/blind": f"it lacks the ability `{ability}`"}
    assert names("priority", without)[0] == ["blind"]


def test_a_request_that_cannot_fit_is_sent_where_it_can():
    small, large = (
        target("small", context_window=1000),
        target("large", context_window=100_000),
    )
    assert names("priority", small, large)[0] == ["small", "large"]
    chosen, choice = names("priority", small, large, request=asked(size=10_000))
    assert chosen == ["large"]
    assert "cannot fit" in choice.left_out["p/small"]


def test_the_cheapest_comes_first_and_the_unpriced_last():
    market = Known(usd={"dear": Decimal(2), "cheap": Decimal(1)})
    targets = [target(name) for name in ("unknown", "dear", "cheap")]
    chosen, choice = names("cheapest", *targets, market=market)
    assert chosen == ["cheap", "dear", "unknown"]
    assert choice.probability == 1


@given(st.randoms(use_true_random=False))
def test_the_fastest_comes_first_but_for_a_share_that_explores(source: random.Random):
    market = Known(latency={"slow": 900.0, "fast": 100.0})
    targets = [target(name) for name in ("slow", "unknown", "fast")]
    firsts: Counter[str] = Counter()
    for _ in range(50):
        chosen, choice = names("fastest", *targets, market=market, chance=source.random)
        firsts[chosen[0]] += 1
        expected = EXPLORE / 3 + (1 - EXPLORE) * (chosen[0] == "fast")
        assert choice.probability == pytest.approx(expected)
        assert sorted(chosen) == ["fast", "slow", "unknown"]


@given(
    st.lists(st.integers(0, 9), min_size=2, max_size=5),
    st.randoms(use_true_random=False),
)
def test_weights_are_shares_and_their_probability_is_told(weights, source):
    targets = [target(f"m{n}", weight=weight) for n, weight in enumerate(weights)]
    chosen, choice = names("weighted", *targets, chance=source.random)
    first = next(each for each in targets if each.name == chosen[0])
    if sum(weights):
        assert choice.probability == pytest.approx(first.weight / sum(weights))
        assert len(chosen) == sum(weight > 0 for weight in weights)


def test_weighted_choices_come_out_by_their_weight():
    source = random.Random(7)
    targets = [target("a", weight=3), target("b", weight=1)]
    firsts = Counter(
        names("weighted", *targets, chance=source.random)[0][0] for _ in range(4000)
    )
    assert 0.72 < firsts["a"] / 4000 < 0.78


@pytest.mark.parametrize(
    "conditions",
    [
        [],
        {"agents": "a"},
        {"teams": [1]},
        {"min_input_tokens": -1},
        {"max_input_tokens": True},
        {"metadata": []},
        {"moon": "full"},
    ],
)
def test_conditions_that_mean_nothing_are_refused(conditions):
    with pytest.raises(ValueError, match=r"\w"):
        check_conditions(conditions)


@pytest.fixture
def route(installation: Installation) -> str:
    """A route over a cheap model for small requests and a dear one for the rest."""
    cheap, dear = (f"sim-instant-tag-{uuid.uuid4().hex[:6]}" for _ in range(2))
    installation.model(cheap, input="0.000001", output="0.000001")
    installation.model(dear, input="0.001", output="0.001")
    with installation.orm():
        from llm.models import Model, Route, RouteTarget

        made = Route.objects.create(
            slug=f"sized-{uuid.uuid4().hex[:6]}", strategy="cheapest"
        )
        for name, conditions in ((dear, {}), (cheap, {"max_input_tokens": 200})):
            RouteTarget.objects.create(
                route=made, model=Model.objects.get(name=name), conditions=conditions
            )
    installation.caller()
    return made.slug


def test_a_route_is_taken_as_it_says_and_the_choice_is_recorded(
    installation: Installation, route: str
):
    caller = installation.caller()

    def ask(text: str, **fields: Any) -> httpx.Response:
        body = {"model": route, "messages": [{"role": "user", "content": text}]}
        return httpx.post(
            f"{installation.url}/v1/chat/completions",
            json={**body, **fields},
            headers=caller.headers,
            timeout=30,
        )

    small, large = ask("hi"), ask("word " * 400)
    assert small.headers["X-Devora-Model"] != large.headers["X-Devora-Model"]
    first, second = installation.attempts(caller, count=2)
    assert (first["route"], first["probability"]) == (route, 1.0)
    assert first["cost_usd"] < second["cost_usd"]
    refused = ask("word " * 400, tools=[])
    assert refused.status_code == 200


def test_a_dry_run_says_where_a_request_would_go_and_why(
    installation: Installation, route: str
):
    caller = installation.caller(scopes=("read",))

    def plan(body: Any) -> httpx.Response:
        return httpx.post(
            f"{installation.url}/api/v1/routes/dry-run/",
            json=body,
            headers=caller.headers,
            timeout=30,
        )

    large = [{"role": "user", "content": "word " * 400}]
    answer = plan({"model": route, "messages": large, "agent": "a"})
    assert answer.status_code == 200
    told = answer.json()
    assert (told["route"], told["strategy"]) == (route, "cheapest")
    assert len(told["targets"]) == len(told["left_out"]) == 1
    assert "up to 200 tokens" in told["left_out"][0]["reason"]
    assert Decimal(told["targets"][0]["expected_usd"]) > 0
    assert told["targets"][0]["breaker"] == "closed"
    small = plan({"model": route, "messages": HELLO}).json()
    assert [each["model"] for each in small["targets"]][1:] == [
        told["targets"][0]["model"]
    ]
    assert plan({"model": "nobody/knows"}).status_code == 404
    assert plan({"messages": HELLO}).status_code == 400
    assert plan({"model": route, "max_tokens": -5}).status_code == 400
    assert plan({"model": route, "messages": "x"}).status_code == 400


def test_the_live_rollups_tell_the_fastest_strategy_who_is_fast(
    installation: Installation,
):
    caller = installation.caller()
    slow = f"sim-slow-first-byte-0.3-tag-{uuid.uuid4().hex[:6]}"
    fast = f"sim-instant-tag-{uuid.uuid4().hex[:6]}"
    names_ = [installation.model(name) for name in (slow, fast)]
    with installation.orm():
        from llm.models import Model, Route, RouteTarget

        made = Route.objects.create(
            slug=f"fast-{uuid.uuid4().hex[:6]}", strategy="fastest"
        )
        for name in (slow, fast):
            RouteTarget.objects.create(route=made, model=Model.objects.get(name=name))
    installation.caller()

    def ask(model: str) -> str:
        answer = httpx.post(
            f"{installation.url}/v1/chat/completions",
            json={"model": model, "messages": HELLO},
            headers=caller.headers,
            timeout=30,
        )
        return str(answer.headers["X-Devora-Model"])

    for name in names_:
        ask(name)

    def mostly_fast() -> bool:
        return sum(ask(made.slug) == names_[1] for _ in range(10)) >= 7

    wait_until(mostly_fast, within_s=20)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "conditions", ['{"moon": 1}', "[]", '{"agents": "a"}', '{"a": NaN}', '"\\u0000"']
)
def test_conditions_that_mean_nothing_are_a_form_error(conditions: str):
    from django.contrib.auth import get_user_model
    from django.test import Client

    from llm.models import Route
    from llm.services import model_ensure, provider_ensure

    provider = provider_ensure(
        slug="p",
        kind="compatible",
        base_url="http://x/v1",
        secret="",
        from_environment=True,
    )
    model = model_ensure(provider=provider, name="m")
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("boss"))
    answer = client.post(
        "/admin/llm/route/add/",
        {
            "slug": "r",
            "strategy": "priority",
            "default_max_tokens": "4096",
            "is_active": "on",
            "targets-TOTAL_FORMS": "1",
            "targets-INITIAL_FORMS": "0",
            "targets-0-position": "0",
            "targets-0-model": str(model.pk),
            "targets-0-weight": "1",
            "targets-0-conditions": conditions,
        },
    )
    assert answer.status_code == 200
    assert not Route.objects.exists()


def test_a_chat_goes_to_models_that_chat(installation: Installation):
    with installation.orm():
        from llm.models import Provider
        from llm.services import model_ensure

        provider = Provider.objects.get(slug="simulator")
        made = {
            like: model_ensure(
                provider=provider, name=f"like-{uuid.uuid4().hex[:6]}", like=like
            ).abilities
            for like in ("openai/gpt-5.2", "openai/text-embedding-3-small")
        }
    chats, embeds = made.values()
    assert (chats["chat"], chats["embeddings"], chats["audio"]) == (True, False, False)
    assert (embeds["chat"], embeds["embeddings"]) == (False, True)
    chosen, choice = names(
        "priority", target("embeds", abilities=embeds), target("chats", abilities=chats)
    )
    assert chosen == ["chats"]
    assert choice.left_out == {"p/embeds": "it lacks the ability `chat`"}
