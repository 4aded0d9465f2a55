"""Which step budgets stand at, and which of them decides over a call."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from costs.facts import Who
from costs.snapshot import Budgets, BudgetScope
from costs.steps import Standings, reached_steps, step_of

AGENTS = ("", "a", "b")
MODELS = ("", "p/x", "p/y")
amounts = st.decimals(0, 1000, places=2)


@st.composite
def budgets(draw):
    """Return budgets in the order of their ids, with and without steps."""
    made = []
    for number in range(draw(st.integers(0, 6))):
        down = draw(st.none() | st.integers(1, 100))
        cache = draw(st.none() | st.integers(down or 1, 100))
        made.append(
            BudgetScope(
                id=number,
                hard=True,
                team="",
                agent=draw(st.sampled_from(AGENTS)),
                end_user="",
                model=draw(st.sampled_from(MODELS)),
                prompt="",
                experiment="",
                limit_usd=draw(amounts),
                route_down_at=down,
                route_down_to=f"cheap-{number}" if down else "",
                cache_only_at=cache,
            )
        )
    return made


callers = st.sampled_from(AGENTS[1:]).map(lambda agent: Who(agent=agent))
models = st.sampled_from(MODELS[1:])


def verdict(scopes, used, who, model):
    found = Budgets(scopes)
    return Standings(found, reached_steps(found.stepped, used)).verdict(who, model)


used_amounts = st.dictionaries(st.integers(0, 6), amounts)


@given(budgets(), used_amounts, callers, models)
def test_the_strictest_action_of_all_matching_budgets_decides(scopes, used, who, model):
    actions = {
        action
        for scope in scopes
        if scope.covers(who, model)
        for action, at in (
            ("route_down", scope.route_down_at),
            ("cache_only", scope.cache_only_at),
        )
        if at is not None
        and used.get(scope.id, 0) >= scope.limit_usd * at / Decimal(100)
    }
    found = verdict(scopes, used, who, model)
    if not actions:
        assert found is None
        return
    assert found is not None
    assert found.action == ("cache_only" if "cache_only" in actions else "route_down")
    scope = scopes[found.budget]
    assert scope.covers(who, model)
    assert found.left_usd == max(0, scope.limit_usd - used.get(scope.id, 0))
    if found.action == "route_down":
        assert found.to == scope.route_down_to


@given(budgets(), used_amounts, callers, models, st.randoms())
def test_the_order_of_budgets_decides_nothing(scopes, used, who, model, chance):
    mixed = list(scopes)
    chance.shuffle(mixed)
    assert verdict(scopes, used, who, model) == verdict(mixed, used, who, model)


@given(budgets(), used_amounts, callers, models, amounts)
def test_a_higher_limit_never_makes_a_step_stricter(scopes, used, who, model, more):
    order = {None: 0, "route_down": 1, "cache_only": 2}
    raised = [
        BudgetScope(
            **{
                **{name: getattr(scope, name) for name in BudgetScope.__slots__},
                "limit_usd": scope.limit_usd + more,
            }
        )
        for scope in scopes
    ]
    before = verdict(scopes, used, who, model)
    after = verdict(raised, used, who, model)
    assert order[after and after.action] <= order[before and before.action]


@given(budgets(), used_amounts)
def test_what_stands_at_no_step_is_not_kept(scopes, used):
    found = Budgets(scopes)
    reached = reached_steps(found.stepped, used)
    for scope in scopes:
        step = step_of(scope, used.get(scope.id, Decimal(0)))
        assert reached.get(scope.id) == step


def test_of_two_that_route_down_the_one_that_is_further_gone_says_where_to():
    def scope(number, limit):
        return BudgetScope(
            *(number, True, "", "", "", "", "", ""),
            limit_usd=Decimal(limit),
            route_down_at=10,
            route_down_to=f"cheap-{number}",
        )

    used = {1: Decimal(50), 2: Decimal(50)}
    found = verdict([scope(1, 100), scope(2, 60)], used, Who(), "p/x")
    assert found is not None
    assert found.to == "cheap-2"


def test_a_limit_of_nothing_is_used_up_from_the_start():
    scope = BudgetScope(1, True, *[""] * 6, limit_usd=Decimal(0), cache_only_at=100)
    found = step_of(scope, Decimal(0))
    assert found is not None
    assert (found.action, found.left_usd) == ("cache_only", 0)


def test_a_demo_teams_calls_fall_under_budgets_of_its_own_alone():
    scope = BudgetScope(1, True, *[""] * 6, limit_usd=Decimal(1), cache_only_at=1)
    found = Budgets([scope], frozenset({"demo"}))
    standings = Standings(found, reached_steps([scope], {1: Decimal(1)}))
    assert standings.verdict(Who(team="demo"), "p/x") is None
    assert standings.verdict(Who(team="care"), "p/x") is not None
