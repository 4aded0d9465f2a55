"""The cache never gives one request's answer to another, nor what is no answer."""

import itertools
import json
import re
from collections import Counter, defaultdict
from random import Random
from typing import Any

import pytest

from llm.gateway.caching import key_of
from tests.chaos import promises
from tests.chaos.client import Outcome
from tests.chaos.figures import Figures
from tests.chaos.installation import ChaosInstallation
from tests.chaos.load import AT_ONCE, OpenLoad
from tests.chaos.requests import HangUp, Request, post
from tests.provisioning import Caller

_CHAT = "/v1/chat/completions"
_USE = {"X-Devora-Cache-Control": "use"}
_ID = re.compile(rb'"id": ?"([^"]+)"')  # the simulator gives no two answers the same
_TRIES, _TRIES_SHORT = 100_000, 3_000
_CALLS, _CALLS_SHORT = 4_000, 120

# What two requests may differ in: a little of each, and often nothing.
_MESSAGES: tuple[Any, ...] = (
    [{"role": "user", "content": "a"}],
    [{"role": "user", "content": "a "}],
    [{"role": "system", "content": "a"}],
    [{"role": "user", "content": "a"}, {"role": "user", "content": ""}],
    [{"role": "user", "content": [{"type": "text", "text": "a"}]}],
)
_PARAMETERS: tuple[dict[str, Any], ...] = (
    {},
    {"temperature": 0},
    {"temperature": 0.0},
    {"temperature": "0"},
    {"top_p": 0},
    {"seed": 1},
    {"seed": None},
    {"stop": ["a"]},
    {"stop": "a"},
    {"max_tokens": 50, "n": 1},
)
_TOOLS: tuple[dict[str, Any], ...] = (
    {},
    {"tools": []},
    *(
        {"tools": [{"type": "function", "function": {"name": name}}]}
        for name in ("f", "g")
    ),
    {"tools": [{"type": "function", "function": {"name": "f", "strict": True}}]},
)
_ORIGINS = ("", "p@1/1", "p@1/2", "p@2/1", "p@11")


def test_no_two_requests_share_a_key_unless_they_say_the_same(
    random: Random, figures: Figures
):
    tries = _TRIES if figures.judged else _TRIES_SHORT
    said: defaultdict[str, set[str]] = defaultdict(set)
    keys: defaultdict[str, set[str]] = defaultdict(set)
    for _ in range(tries):
        wire, origin = random.choice(("chat", "messages")), random.choice(_ORIGINS)
        body = _body(random)
        key = key_of(wire, origin, {**body, "stream": random.choice((True, False))})
        meaning = json.dumps([wire, origin, body], sort_keys=True)
        said[key].add(meaning)
        keys[meaning].add(key)

    wrong = sum(len(meanings) - 1 for meanings in said.values())
    figures.measure(promises.WRONG_KEYS, wrong, f"{tries:,} tries, {len(keys):,} kinds")
    assert wrong == 0
    assert {len(each) for each in keys.values()} == {1}
    assert 100 < len(keys) < tries


def _body(random: Random) -> dict[str, Any]:
    """Return a request whose fields come in any order, with a number of its own or not."""
    number = random.choice((None, None, random.randrange(1000)))
    fields = {
        "model": random.choice(("m", "n")),
        "messages": random.choice(_MESSAGES),
        **random.choice(_PARAMETERS),
        **random.choice(_TOOLS),
        **({} if number is None else {"user": str(number)}),
    }
    return dict(random.sample(sorted(fields.items()), len(fields)))


def test_every_answer_is_that_of_its_own_request(
    staged: ChaosInstallation, random: Random, figures: Figures
):
    caller = staged.caller()
    model = staged.model("sim-usage-20-9", input="0.000001", output="0.00001")
    count = _CALLS if figures.judged else _CALLS_SHORT
    kinds = list(_kinds(staged, model))
    if not figures.judged:
        kinds = random.sample(kinds, 40)
    calls = [
        _call(caller, *random.choice(list(enumerate(kinds)))) for _ in range(count)
    ]

    with OpenLoad(
        iter(calls), ports=staged.ports, per_second=200, count=count, most_under_way=50
    ) as load:
        pass

    askers: defaultdict[bytes, set[str]] = defaultdict(set)
    for outcome in load.outcomes:
        assert (outcome.end, outcome.status) == ("whole", 200), outcome.body
        found = _ID.search(outcome.body)
        assert found, outcome.body
        askers[found[1]].add(outcome.request.kind)
    told = Counter(outcome.header("X-Devora-Cache") for outcome in load.outcomes)
    wrong = sum(len(kinds) - 1 for kinds in askers.values())
    figures.measure(
        promises.WRONG_HITS, wrong, f"{count:,} calls, {told['hit']:,} hits"
    )
    assert wrong == 0
    assert told["hit"] > count / 4
    lines = staged.journal_lines("accepted")
    asked = [line for line in lines if model.endswith(f"/{line['model']}")]
    assert len(asked) == told["miss"]


def _kinds(staged: ChaosInstallation, model: str) -> Any:
    """Yield the bodies: asked plainly, and by two versions that say the same."""
    definition = {"messages": [{"role": "system", "content": "b"}], "model": model}
    with staged.orm():
        from prompts.services import prompt_create, version_create

        prompt = prompt_create(slug="p", name="p", definition=definition, actor="test")
        version_create(prompt=prompt, definition=definition, actor="test")
    staged.catch_up()
    parameters = [it for it in _PARAMETERS if it.get("temperature") != "0"]
    for name, messages, given, tools in itertools.product(
        (model, "prompt:p@1", "prompt:p@2"), _MESSAGES, parameters, _TOOLS
    ):
        yield {"model": name, "messages": messages, **given, **tools}


def _call(caller: Caller, number: int, body: dict[str, Any]) -> Request:
    stream = number % 2 == 0
    data = post(_CHAT, caller.key, {**body, "stream": stream}, _USE)
    return Request(data, stream, kind=str(number), keeps_body=True)


def test_a_hundred_alike_at_once_are_one_upstream_call_a_process(
    staged: ChaosInstallation, figures: Figures
):
    caller = staged.caller()
    name = "sim-slow-first-byte-1-tag-alike"
    body = {"model": staged.model(name), "messages": _MESSAGES[0]}
    calls = [Request(post(_CHAT, caller.key, body, _USE), stream=False)] * 200

    with OpenLoad(
        iter(calls), ports=staged.ports, per_second=AT_ONCE, count=len(calls)
    ) as load:
        pass

    asked = [it for it in staged.journal_lines("accepted") if it["model"] == name]
    each = len(asked) / len(staged.webs)
    figures.measure(promises.CALLS_FOR_ONE, each)
    assert load.statuses == {200: 200}
    assert each <= 1


@pytest.mark.parametrize(
    "word",
    [
        *("400", "cut-stream-after-2", "sse-error-after-2", "close-before-done"),
        "hold-after-2",  # the client does not wait for the rest
    ],
)
def test_what_is_not_a_whole_answer_is_not_kept(staged: ChaosInstallation, word: str):
    caller = staged.caller()
    name = f"sim-chunks-9-{word}-once"
    body = {"model": staged.model(name), "messages": _MESSAGES[0], "stream": True}
    data = post(_CHAT, caller.key, body, _USE)
    plan = HangUp(after_chunks=2) if word == "hold-after-2" else None

    first, second = (
        _alone(staged, Request(data, stream=True, hangs_up=it)) for it in (plan, None)
    )

    assert first.end != "whole" or first.status == 400
    assert (second.end, second.header("X-Devora-Cache")) == ("whole", "miss")


def _alone(staged: ChaosInstallation, request: Request) -> Outcome:
    """Make one call; always to the same process, which has what it kept at hand."""
    ports = staged.ports()[:1]
    with OpenLoad(iter([request]), ports=lambda: ports, per_second=AT_ONCE) as load:
        pass
    (outcome,) = load.outcomes
    return outcome
