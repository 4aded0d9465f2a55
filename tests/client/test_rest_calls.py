"""Rendering, searching, experiments, embeddings and the list of models."""

from decimal import Decimal
from typing import Any

import httpx
import pytest

from devora_ops.client import Assignment, InvalidResponse, Model, Passage
from tests.client.gateway import HEADERS, URL, Gateway


def told(body: object, status: int = 200) -> Gateway:
    return Gateway(httpx.Response(status, json=body, headers=HEADERS))


def path(gateway: Gateway) -> str:
    request = gateway.requests[-1]
    return f"{request.method} {str(request.url).removeprefix(URL)}"


MESSAGES = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": [{"type": "text", "text": "Hello Ada."}]},
]


@pytest.mark.parametrize(
    ("pin", "said"),
    [({}, {}), ({"label": "staging"}, {"label": "staging"}), ({"version": 3},) * 2],
)
def test_a_prompt_is_rendered_by_label_or_version(ask, pin, said):
    gateway = told({"messages": MESSAGES, "version": 3})
    rendered = ask(gateway, "render", "support", {"name": "Ada"}, **pin)
    assert path(gateway) == "POST /api/v1/prompts/support/render/"
    assert gateway.body == {"variables": {"name": "Ada"}, **said}
    assert list(rendered.messages) == MESSAGES
    assert (rendered.slug, rendered.version) == ("support", 3)
    assert rendered.text == "Be kind.\n\nHello Ada."


def test_a_label_and_a_version_exclude_each_other(ask):
    with pytest.raises(ValueError, match="not both"):
        ask(told({}), "render", "support", label="staging", version=3)


def test_a_search_gives_passages_with_their_source(ask):
    row: dict[str, Any] = {
        "external_id": "handbook/1",
        "document": "Handbook",
        "chunk": 4,
        "text": "Cancel any time.",
        "score": 0.75,
        "components": {"vector": 0.75},
    }
    gateway = told({"results": [row, {"text": "Bare."}]})
    found = ask(gateway, "search", "handbook", "How?", top_k=2, mode="hybrid")
    assert path(gateway) == "POST /api/v1/corpora/handbook/search/"
    assert gateway.body == {"query": "How?", "top_k": 2, "mode": "hybrid"}
    assert found == [Passage(**row), Passage(text="Bare.")]
    assert [passage.source for passage in found] == ["handbook/1", "unknown"]


def test_filters_go_with_a_search(ask):
    gateway = told({"results": []})
    assert ask(gateway, "search", "handbook", "How?", filters={"lang": "fr"}) == []
    assert gateway.body == {"query": "How?", "top_k": 5, "filters": {"lang": "fr"}}


def test_the_models_are_listed(ask):
    gateway = told({"data": [{"id": "smart", "owned_by": "devora"}, {"id": "a/b"}]})
    assert ask(gateway, "models") == [Model("smart", "devora"), Model("a/b")]
    assert path(gateway) == "GET /v1/models"
    assert gateway.requests[0].content == b""


def test_a_unit_is_assigned_a_variant(ask):
    gateway = told({"variant": "warm", "version": 2, "experiment": "greeting"})
    assigned = ask(gateway, "assign", "greeting", "unit-1")
    assert path(gateway) == "POST /api/v1/experiments/greeting/assign/"
    assert gateway.body == {"unit": "unit-1"}
    assert assigned == Assignment(
        experiment="greeting", unit="unit-1", variant="warm", version=2
    )


@pytest.mark.parametrize("whose", [{"unit": "unit-1"}, {"call_id": "call-1"}])
def test_an_outcome_is_recorded_for_a_unit_or_a_call(ask, whose):
    gateway = Gateway(httpx.Response(204))
    assert ask(gateway, "record_outcome", "greeting", "solved", 1, **whose) is None
    assert path(gateway) == "POST /api/v1/experiments/greeting/outcomes/"
    assert gateway.body == {**whose, "metric": "solved", "value": 1}


@pytest.mark.parametrize("whose", [{}, {"unit": "u", "call_id": "c"}])
def test_an_outcome_belongs_to_exactly_one(ask, whose):
    with pytest.raises(ValueError, match="unit or the call_id"):
        ask(told({}), "record_outcome", "greeting", "solved", 1, **whose)


def test_vectors_come_in_the_order_of_their_texts(ask):
    rows = [{"index": 1, "embedding": [0.5]}, {"index": 0, "embedding": [1.0]}]
    gateway = told({"data": rows, "usage": {"prompt_tokens": 6}})
    found = ask(gateway, "embed", ["a", "b"], model="local/minilm")
    assert path(gateway) == "POST /v1/embeddings"
    assert gateway.body["input"] == ["a", "b"]
    assert found.vectors == ((1.0,), (0.5,))
    assert (found.cost_usd, found.usage.input_tokens) == (Decimal("0.0000123"), 6)


def test_a_slug_stays_one_segment_of_the_path(ask):
    gateway = told({"results": []})
    ask(gateway, "search", "../prompts/a?b#c d", "How?")
    assert path(gateway) == (
        "POST /api/v1/corpora/..%2Fprompts%2Fa%3Fb%23c%20d/search/"
    )


@pytest.mark.parametrize("slug", ["", ".", ".."])
def test_a_slug_that_is_none_is_refused(ask, slug):
    with pytest.raises(ValueError, match="no prompt's slug"):
        ask(told({}), "render", slug)


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("render", ["support"]),
        ("search", ["handbook", "How?"]),
        ("assign", ["greeting", "unit-1"]),
        ("models", []),
    ],
)
def test_an_answer_without_its_content_is_said_to_be_unreadable(ask, method, arguments):
    with pytest.raises(InvalidResponse) as caught:
        ask(told({"results": 5, "data": 5}), method, *arguments)
    assert caught.value.request_id == "request-1"
