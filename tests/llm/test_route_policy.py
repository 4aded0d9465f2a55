"""What a route says of its tries: how long they may take, and what follows a failure.

Deadlines are of tenths of a second here, and what would miss them takes half a minute:
whether one is kept can be told without a clock.
"""

import socket
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest

from tests.installation_under_test import Caller, Installation, wait_until
from tests.llm.test_retry_table import make_provider

HELLO = [{"role": "user", "content": "hi"}]
SHORT_S = 0.3


@pytest.fixture
def caller(installation: Installation) -> Caller:
    return installation.caller()


def route_to(
    installation: Installation, *words: str, url: str = "", **policy: Any
) -> str:
    """Make a route over models of a provider of its own, tried in order."""
    with installation.orm():
        from llm.models import Route
        from llm.services import model_ensure, route_ensure

        provider = make_provider(installation, url)
        targets = [
            model_ensure(provider=provider, name=f"sim-{each}") for each in words
        ]
        slug = f"route-{uuid.uuid4().hex[:8]}"
        route_ensure(slug=slug, targets=targets)
        Route.objects.filter(slug=slug).update(**policy)
    for target in targets:
        price(installation, str(target))
    return slug


def price(installation: Installation, model: str) -> None:
    from django.utils import timezone

    with installation.orm():
        from costs.models import Price

        Price.objects.create(
            model=model, input=0, output=1, valid_from=timezone.now(), source="test"
        )
    installation.caller()  # once a younger key is taken, all of this is in force


def ask(installation: Installation, caller: Caller, model: str, **fields: Any):
    return httpx.post(
        f"{installation.url}/v1/chat/completions",
        json={"model": model, "messages": HELLO, "max_tokens": 2, **fields},
        headers=caller.headers,
        timeout=20,
    )


def asked(installation: Installation, attempt: dict[str, Any]) -> int:
    """Return how often the simulator was asked by an attempt: its file is the judge."""
    lines = [
        *installation.journal_lines("accepted"),
        *installation.journal_lines("refused"),
    ]
    return sum(line["attempt"] == str(attempt["id"]) for line in lines)


# --- deadlines -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "stream"),
    [({"total_s": SHORT_S}, False), ({"first_byte_s": SHORT_S}, True)],
)
def test_an_answer_that_does_not_begin_in_time_is_given_up(
    installation: Installation, caller: Caller, policy: dict[str, Any], stream: bool
):
    route = route_to(installation, "slow-first-byte-30", **policy)
    answer = ask(installation, caller, route, stream=stream)
    assert answer.status_code == 504
    assert answer.json()["error"]["code"] == "billing_unknown"
    (attempt,) = installation.attempts(caller)
    assert (attempt["state"], attempt["cost_usd"]) == ("unknown", 2)
    (call,) = installation.calls(caller)
    assert call["status"] == "timeout"


def test_the_first_byte_of_an_answer_that_is_no_stream_may_take_longer(
    installation: Installation, caller: Caller
):
    route = route_to(installation, "slow-first-byte-1", first_byte_s=SHORT_S)
    assert ask(installation, caller, route).status_code == 200


@pytest.mark.parametrize(
    ("words", "policy"),
    [
        ("silence-30", {"between_chunks_s": SHORT_S}),
        ("silence-30", {"between_chunks_s": SHORT_S, "first_byte_s": 0.2}),
        ("chunks-900-gap-50", {"total_s": 2 * SHORT_S}),
    ],
)
def test_a_stream_that_takes_too_long_ends_in_words(
    installation: Installation, caller: Caller, words: str, policy: dict[str, Any]
):
    route = route_to(installation, words, **policy)
    answer = ask(installation, caller, route, stream=True, max_tokens=1000)
    assert answer.status_code == 200
    assert '"finish_reason":"error"' in answer.text
    assert "[DONE]" not in answer.text
    (attempt,) = installation.attempts(caller)
    assert (attempt["state"], attempt["error_code"]) == ("settled", "stream_broken")
    assert 0 < attempt["cost_usd"] < 900


def test_a_short_pause_between_chunks_leaves_the_first_byte_its_time(
    installation: Installation, caller: Caller
):
    words = "slow-first-byte-2-chunks-3"
    route = route_to(installation, words, between_chunks_s=1.0)
    answer = ask(installation, caller, route, stream=True)
    assert "[DONE]" in answer.text


def test_a_stream_may_go_on_for_longer_than_any_of_its_pauses(
    installation: Installation, caller: Caller
):
    policy: dict[str, Any] = {"between_chunks_s": 2.0, "first_byte_s": 2.0}
    route = route_to(installation, "chunks-25-gap-100", **policy)
    answer = ask(installation, caller, route, stream=True, max_tokens=100)
    assert "[DONE]" in answer.text


@contextmanager
def deaf_server() -> Iterator[str]:
    """Listen, and let no more connections stand than are waiting already."""
    with ExitStack() as sockets:
        server = sockets.enter_context(socket.create_server(("127.0.0.1", 0)))
        server.listen(0)
        address = server.getsockname()
        for _ in range(4):
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(address)
        yield f"http://127.0.0.1:{address[1]}/v1"


def test_a_connection_that_does_not_stand_in_time_costs_nothing(
    installation: Installation, caller: Caller
):
    with deaf_server() as url:
        route = route_to(installation, "instant", url=url, connect_s=SHORT_S)
        answer = ask(installation, caller, route)
    assert answer.status_code == 502
    assert answer.json()["error"]["code"] == "provider_unreachable"
    attempts = installation.attempts(caller, count=3)
    assert {each["state"] for each in attempts} == {"released"}


def test_a_deadline_counts_for_its_route_alone(
    installation: Installation, caller: Caller
):
    route = route_to(installation, "slow-first-byte-1", total_s=SHORT_S)
    assert ask(installation, caller, route).status_code == 504
    (attempt,) = installation.attempts(caller)
    assert ask(installation, caller, attempt["model"]).status_code == 200


# --- retries ---------------------------------------------------------------------------

MAY_HAVE_RUN = ("reset", "502", "504", "short-body")
EACH = pytest.mark.parametrize("words", MAY_HAVE_RUN)


@EACH
def test_a_call_that_may_have_run_is_asked_again_where_that_is_allowed(
    installation: Installation, caller: Caller, words: str
):
    route = route_to(installation, f"{words}-once", allow_duplicates=True)
    answer = ask(installation, caller, route)
    assert answer.status_code == 200
    assert answer.headers["X-Devora-Attempts"] == "2"
    first, second = installation.attempts(caller, count=2)
    # Both are paid for: the first one as dear as it can have been.
    assert (first["state"], first["cost_usd"]) == ("unknown", 2)
    assert second["state"] == "settled"
    assert [asked(installation, each) for each in (first, second)] == [1, 1]
    (call,) = installation.calls(caller)
    assert call["cost_usd"] == first["cost_usd"] + second["cost_usd"]


@EACH
def test_it_falls_back_where_that_is_allowed(
    installation: Installation, caller: Caller, words: str
):
    route = route_to(installation, words, "instant", allow_duplicates=True)
    answer = ask(installation, caller, route)
    assert answer.status_code == 200
    assert answer.headers["X-Devora-Model"].endswith("/sim-instant")
    first, _second = installation.attempts(caller, count=2)
    assert first["state"] == "unknown"


def test_a_timeout_is_asked_again_where_that_is_allowed(
    installation: Installation, caller: Caller
):
    route = route_to(
        installation, "slow-first-byte-30-once", total_s=SHORT_S, allow_duplicates=True
    )
    answer = ask(installation, caller, route)
    assert answer.status_code == 200
    assert answer.headers["X-Devora-Attempts"] == "2"


def test_a_stream_that_has_begun_is_never_asked_again(
    installation: Installation, caller: Caller
):
    words = "cut-stream-after-2"
    route = route_to(installation, words, "instant", allow_duplicates=True)
    answer = ask(installation, caller, route, stream=True, max_tokens=50)
    assert '"finish_reason":"error"' in answer.text
    assert len(installation.attempts(caller)) == 1


@pytest.mark.parametrize("words", ["400", "html"])
def test_duplicates_are_for_failures_that_a_second_try_may_help(
    installation: Installation, caller: Caller, words: str
):
    route = route_to(installation, words, "instant", allow_duplicates=True)
    assert ask(installation, caller, route).status_code in (400, 502)
    (attempt,) = installation.attempts(caller)
    assert asked(installation, attempt) == 1


@pytest.mark.parametrize("most", [1, 2, 3])
def test_a_call_has_as_many_attempts_as_its_route_says(
    installation: Installation, caller: Caller, most: int
):
    route = route_to(installation, "500", "503", "529", max_attempts=most)
    assert ask(installation, caller, route).status_code in (502, 503)
    attempts = installation.attempts(caller, count=most)
    assert len(attempts) == most
    (call,) = installation.calls(caller)
    assert call["attempts"] == most


def test_without_a_policy_nothing_that_may_have_run_is_asked_again(
    installation: Installation, caller: Caller
):
    route = route_to(installation, "reset", "instant")
    assert ask(installation, caller, route).status_code == 502
    assert len(installation.attempts(caller)) == 1


# --- bulkheads -------------------------------------------------------------------------


def test_a_provider_has_as_many_calls_at_once_as_its_row_says(
    installation: Installation, caller: Caller
):
    route = route_to(installation, f"hold-tag-{uuid.uuid4().hex[:8]}")
    with installation.orm():
        from llm.models import Provider, Route

        provider = Provider.objects.get(
            models__in=Route.objects.get(slug=route).targets.values("model")
        )
        Provider.objects.filter(pk=provider.pk).update(bulkhead_size=2)
    installation.caller()  # once a younger key is taken, the bound is in force
    before = installation.waiting()
    body = {"model": route, "messages": HELLO, "max_tokens": 2, "stream": True}
    with ExitStack() as streams:
        client = streams.enter_context(
            httpx.Client(base_url=installation.url, headers=caller.headers, timeout=20)
        )
        held = [
            client.build_request("POST", "/v1/chat/completions", json=body)
            for _ in range(2)
        ]
        threads = streams.enter_context(ThreadPoolExecutor(2))
        answers = [threads.submit(client.send, request) for request in held]
        wait_until(lambda: installation.waiting() - before == 2)

        refused = ask(installation, caller, route)
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "provider_busy"
        assert refused.headers["Retry-After"] == "1"
        other = ask(installation, caller, "simulator/sim-instant")
        assert other.status_code == 200

        installation.release()
        assert [each.result().status_code for each in answers] == [200, 200]
    attempts = installation.attempts(caller, count=3)
    assert len(attempts) == 3  # the one that was refused held nothing


# --- requests that are too long --------------------------------------------------------


def windows(installation: Installation, slug: str, *sizes: int | None) -> None:
    """Declare the context windows of a route's models, in order."""
    with installation.orm():
        from llm.models import Route

        for target, size in zip(
            Route.objects.get(slug=slug).targets.all(), sizes, strict=True
        ):
            target.model.context_window = size
            target.model.save()
    installation.caller()  # once a younger key is taken, all of this is in force


@pytest.mark.parametrize(
    ("sizes", "serves"),
    [
        ((8000, 4000, 100_000), "sim-usage-1-1"),
        ((8000, 100_000, 200_000), "sim-instant"),
    ],
)
def test_a_request_that_is_too_long_goes_to_a_larger_model_where_that_is_allowed(
    installation: Installation,
    caller: Caller,
    sizes: tuple[int, ...],
    serves: str,
):
    words = ("context-length", "instant", "usage-1-1")
    route = route_to(installation, *words, larger_when_too_long=True)
    windows(installation, route, *sizes)
    answer = ask(installation, caller, route)
    assert answer.status_code == 200
    assert answer.headers["X-Devora-Model"].endswith(serves)
    first, second = installation.attempts(caller, count=2)
    assert (first["http_status"], first["cost_usd"]) == (400, 0)
    assert second["state"] == "settled"


@pytest.mark.parametrize(
    ("allowed", "words", "sizes"),
    [
        (False, "context-length", (8000, 100_000)),  # nobody asked for it
        (True, "context-length", (8000, 8000)),  # no larger than the first
        (True, "context-length", (8000, None)),  # or nobody knows
        (True, "context-length", (None, 100_000)),
        (True, "400", (8000, 100_000)),  # something else is wrong
    ],
)
def test_it_is_refused_as_the_provider_refused_it_otherwise(
    installation: Installation,
    caller: Caller,
    allowed: bool,
    words: str,
    sizes: tuple[int | None, ...],
):
    route = route_to(installation, words, "instant", larger_when_too_long=allowed)
    windows(installation, route, *sizes)
    assert ask(installation, caller, route).status_code == 400
    assert len(installation.attempts(caller)) == 1
