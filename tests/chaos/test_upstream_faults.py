"""Providers that fail, refuse and die: who is asked again, how often, and who serves."""

import itertools
import uuid
from collections.abc import Iterator
from random import Random

from tests.chaos import promises
from tests.chaos.figures import Figures
from tests.chaos.hits import hits_by_call, hits_of
from tests.chaos.installation import ChaosInstallation
from tests.chaos.load import OpenLoad
from tests.chaos.provide import provide
from tests.chaos.requests import chat


def test_an_outage_is_not_answered_with_twice_the_load(
    shared: ChaosInstallation, figures: Figures
):
    per_second, count = (100, 6000) if figures.judged else (60, 60)
    caller = shared.caller()
    # Its breaker would leave nothing to retry after a moment.
    (model,) = provide(shared, ["500"], forced_closed=True)
    calls = iter(chat(model, caller.key), None)

    with OpenLoad(
        calls, ports=shared.ports, per_second=per_second, count=count
    ) as load:
        pass

    assert load.statuses == {502: count}
    hits = hits_of(shared, model)
    assert hits.served == 0
    attempts = [len(each) for each in hits_by_call(shared, hits).values()]
    assert len(attempts) == count
    assert promises.MOST_ATTEMPTS.most is not None
    assert max(attempts) <= promises.MOST_ATTEMPTS.most
    # A tenth of the calls, three a second, and what a quiet process has saved.
    seconds, processes = count / per_second, len(shared.webs)
    assert count < hits.count <= 1.1 * count + 3 * seconds + 10 * processes
    how = f"{count:,} calls at {per_second}/s, breaker held closed"
    if figures.judged:
        figures.measure(promises.RETRIED_CALLS, hits.count / count, how)
        figures.measure(promises.MOST_ATTEMPTS, max(attempts), how)


def test_a_provider_that_fails_now_and_then_is_not_noticed(
    shared: ChaosInstallation, figures: Figures
):
    per_second, count = (100, 3000) if figures.judged else (100, 100)
    caller = shared.caller()
    (flaky,), (well,) = (
        provide(shared, ["500-percent-30"]),
        provide(shared, ["instant"]),
    )
    route = shared.route(f"flaky-{uuid.uuid4().hex[:6]}", flaky, well)
    calls = iter(chat(route, caller.key), None)

    with OpenLoad(
        calls, ports=shared.ports, per_second=per_second, count=count
    ) as load:
        pass

    refused = hits_of(shared, flaky).count - hits_of(shared, flaky).served
    assert refused >= 5
    assert load.statuses == {200: count}
    if figures.judged:
        served = 100 * load.statuses[200] / count
        how = f"{count:,} calls at {per_second}/s, {refused} failures"
        figures.measure(promises.THIRD_FAILS, served, how)


HOPELESS = ["400", "401", "402", "403", "404", "413", "422"]
HOPELESS += ["context-length", "content-filter", "quota", "spend-limit"]
DOUBTFUL = ["502", "504", "reset"]  # asked again, they might be paid twice


def test_what_cannot_be_helped_is_not_tried_again(
    shared: ChaosInstallation, random: Random, figures: Figures
):
    each = 100 if figures.judged else 4
    caller = shared.caller()
    # Were they to open a breaker, it would not be asked so often.
    models = provide(shared, HOPELESS)
    models += provide(shared, DOUBTFUL, forced_closed=True)
    calls = [chat(model, caller.key)() for model in models for _ in range(each)]
    random.shuffle(calls)

    with OpenLoad(
        iter(calls), ports=shared.ports, per_second=200, count=len(calls)
    ) as load:
        pass

    assert 200 not in load.statuses
    assert 0 not in load.statuses
    counts = {model: hits_of(shared, model).count for model in models}
    assert counts == dict.fromkeys(models, each)
    if figures.judged:
        extra = sum(counts.values()) - len(calls)
        how = f"{len(models)} kinds of refusal, {each} times each"
        figures.measure(promises.USELESS_RETRIES, extra, how)
        unasked = each * len(HOPELESS) - sum(counts[it] for it in models[:-3])
        figures.measure(promises.OPENED_BY_CALLERS, max(0, unasked), how)


WAITS_S = {"retry-1": 1.0, "retry-2": 2.0, "retry-5": 5.0}


def test_nobody_is_asked_earlier_than_he_told(
    shared: ChaosInstallation, random: Random, figures: Figures
):
    told = WAITS_S if figures.judged else {"retry-1": 1.0}
    each, per_second = (300, 20.0) if figures.judged else (12, 60.0)
    caller = shared.caller()
    words = [*told, "retry-date-2", "retry-garbage"]
    named = [f"429-{word}-times-1" for word in words]
    # Retries are paid from budgets by provider: several hold more of them.
    sets = [provide(shared, named) for _ in range(4)]
    models = {word: [row[place] for row in sets] for place, word in enumerate(words)}
    makers = {
        word: itertools.cycle([chat(model, caller.key) for model in models[word]])
        for word in words
    }
    calls = [next(makers[word])() for word in words for _ in range(each)]
    random.shuffle(calls)

    with OpenLoad(
        iter(calls), ports=shared.ports, per_second=per_second, count=len(calls)
    ) as load:
        pass

    # Those who find the budget empty are told to come back; the others have waited.
    assert set(load.statuses) <= {200, 429}
    early, waits = 0, {}
    for word, names in models.items():
        gaps = [gap for name in names for gap in waited(shared, name)]
        assert gaps, word
        waits[word] = gaps
        early += sum(gap < told.get(word, 0) for gap in gaps)
    assert early == 0
    assert load.statuses[200] == sum(map(len, waits.values()))
    # A date has whole seconds: of two, more than one is left.
    assert min(waits["retry-date-2"]) > 0.9
    spread = min((max(waits[it]) - min(waits[it])) / told[it] for it in told)
    assert spread > 0
    if figures.judged:
        how = f"{sum(map(len, waits.values())):,} waits of 1, 2, 5 s, dates, garbage"
        figures.measure(promises.TOO_EARLY, early, how)
        figures.measure(promises.SPREAD, 100 * spread, "the narrowest of 1, 2 and 5 s")


def waited(shared: ChaosInstallation, model: str) -> Iterator[float]:
    """Yield how long after its refusal each call was made again, in seconds."""
    for entries in hits_by_call(shared, hits_of(shared, model)).values():
        for refused, again in itertools.pairwise(entries):
            yield (again.at - refused.at).total_seconds()
