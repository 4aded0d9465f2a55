"""Who would have served what has been: the rules and the prices, without a database."""

import datetime as dt
import itertools
import random
from collections import Counter
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costs.facts import Who
from costs.price_rows import RATES
from costs.pricing import make_price
from costs.snapshot import PriceBook
from llm.gateway.routing import Asked, choose, odds
from llm.policy import USUAL
from llm.route_replay import Cell, Draft, Prices, servers, sizes
from llm.snapshot import RouteSnapshot, Target, Upstream

LONG_AGO = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
LATER = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
_ids = itertools.count(1)


def target(name, **more):
    return Target(Upstream("a", "", "", False, ""), name, **more)


def price(*, tiers=(), **rates):
    schedule = {"tiers": list(tiers)} if tiers else {}
    row = {"id": next(_ids), "schedule": schedule, **dict.fromkeys(RATES)}
    return make_price({**row, **{n: Decimal(v) for n, v in rates.items()}})


def prices(**books):
    """Return prices: model → one price, or moments with theirs."""
    books = {
        f"a/{name}": [(LONG_AGO, found)] if not isinstance(found, list) else found
        for name, found in books.items()
    }
    return Prices(
        PriceBook(
            {model: [at for at, _ in book] for model, book in books.items()},
            {model: [each for _, each in book] for model, book in books.items()},
        )
    )


def cell(tokens=100, *, team="care", agent="bot", embedding=False, at=LATER):
    return Cell(team, agent, tokens, embedding, at)


def shares(draft, of, book):
    return {each.model: each.probability for each in servers(draft, of, book)}


ONE = price(input="1", output="1")
BOTH = prices(x=ONE, y=ONE)


def test_weights_are_the_odds():
    draft = Draft("weighted", [target("x", weight=3), target("y", weight=1)])
    assert shares(draft, cell(), BOTH) == {
        "a/x": Fraction(3, 4),
        "a/y": Fraction(1, 4),
    }


def test_the_first_that_fits_serves():
    only_sales = target("x", conditions={"teams": ["sales"]})
    draft = Draft("priority", [only_sales, target("y")])
    assert shares(draft, cell(team="sales"), BOTH) == {"a/x": 1}
    assert shares(draft, cell(team="care"), BOTH) == {"a/y": 1}


@pytest.mark.parametrize(
    ("more", "tokens", "serves"),
    [
        ({"conditions": {"min_input_tokens": 101}}, 100, False),
        ({"conditions": {"min_input_tokens": 100}}, 100, True),
        ({"conditions": {"max_input_tokens": 99}}, 100, False),
        ({"conditions": {"agents": ["other"]}}, 100, False),
        ({"conditions": {"metadata": {"tier": "gold"}}}, 100, False),
        ({"context_window": 99}, 100, False),
        ({"context_window": 100}, 100, True),
        ({"abilities": {"chat": False}}, 100, False),
        ({"abilities": {"embeddings": False}}, 100, True),
    ],
)
def test_who_does_not_fit_serves_nobody(more, tokens, serves):
    draft = Draft("priority", [target("x", **more)])
    assert bool(servers(draft, cell(tokens), BOTH)) is serves


def test_vectors_are_made_by_who_makes_vectors():
    chats = target("x", abilities={"embeddings": False})
    draft = Draft("priority", [chats, target("y")])
    assert shares(draft, cell(embedding=True), BOTH) == {"a/y": 1}


def test_the_price_is_that_of_the_time_or_the_first_one():
    old, new = price(input="1"), price(input="2")
    book = prices(x=[(LATER, old), (LATER + dt.timedelta(days=9), new)])
    draft = Draft("priority", [target("x")])

    def id_at(days):
        (server,) = servers(draft, cell(at=LATER + dt.timedelta(days=days)), book)
        return server.price.id

    assert [id_at(days) for days in (-30, 0, 8, 9)] == [old.id] * 3 + [new.id]


rate = st.decimals("0.000001", "0.001", places=6)
tier = st.tuples(st.integers(1, 4000), rate)


@given(
    st.lists(st.tuples(rate, rate, st.lists(tier, max_size=2)), min_size=2, max_size=4),
    st.integers(0, 5000),
)
def test_within_a_size_the_cheapest_stays_the_cheapest(rows, tokens):
    names = "wxyz"[: len(rows)]
    book = prices(
        **{
            name: price(
                input=i,
                output=o,
                tiers=[
                    {"above_input_tokens": above, "prices": {"input": str(dear)}}
                    for above, dear in tiers
                ],
            )
            for name, (i, o, tiers) in zip(names, rows, strict=True)
        }
    )
    draft = Draft("cheapest", [target(name) for name in names])
    edges = sizes(draft, book, [LATER])
    low = max(edge for edge in edges if edge <= tokens)
    (at_edge,) = servers(draft, cell(low), book)
    (itself,) = servers(draft, cell(tokens), book)
    assert at_edge == itself


class _NoMarket:
    def usd(self, *_):
        return None

    def latency_ms(self, _):
        return None


@given(st.lists(st.integers(0, 5), min_size=2, max_size=5), st.integers(0, 2**32))
def test_odds_are_how_often_a_route_chooses(weights, seed):
    targets = tuple(target(f"t{n}", weight=w) for n, w in enumerate(weights))
    route = RouteSnapshot("r", "weighted", 10, targets, USUAL)
    asked = Asked(Who(), {"messages": []}, 10)
    found = {t.model: p for t, p in odds("weighted", targets, asked, _NoMarket())}
    assert sum(found.values()) == 1
    rng = random.Random(seed)
    first = Counter(
        choose(route, asked, _NoMarket(), chance=rng.random).targets[0].model
        for _ in range(300)
    )
    assert all(abs(first[m] / 300 - p) < 0.2 for m, p in found.items())
    assert first.keys() <= found.keys()
