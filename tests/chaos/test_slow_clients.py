"""nginx as we ship it: slow clients hold up nobody, and all that is served passes."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin

from devora_ops.embedded.ports import free_port
from tests.chaos import promises
from tests.chaos.figures import Figures
from tests.chaos.installation import ChaosInstallation
from tests.chaos.load import OpenLoad
from tests.chaos.nginx import PROGRAM, nginx
from tests.chaos.percentiles import p99_ms
from tests.chaos.provide import provide
from tests.chaos.requests import Request, chat
from tests.chaos.slow_clients import Slow, SlowClients
from tests.provisioning import Caller, wait_until

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="there is no nginx here")

_FASTER = {"client_header_timeout 10s;": "client_header_timeout 1s;"}


@pytest.fixture(scope="module")
def front(
    shared: ChaosInstallation,
    figures: Figures,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[int]:
    """Yield the port of an nginx before the first web process."""
    folder = tmp_path_factory.mktemp("nginx")
    faster = None if figures.judged else _FASTER
    with nginx(folder, upstream=shared.webs[0].port, faster=faster) as port:
        yield port


def test_a_stream_passes_event_by_event(shared: ChaosInstallation, front: int):
    caller = shared.caller()
    (model,) = provide(shared, ["hold-after-2-chunks-4"])
    body = {**_body(model), "stream": True}
    with httpx.stream(
        "POST",
        f"http://127.0.0.1:{front}/v1/chat/completions",
        json=body,
        headers=caller.headers,
        timeout=30,
    ) as answer:
        told = ""
        for piece in answer.iter_text():
            told += piece
            if (
                told.count('"content":"') >= 3
            ):  # the empty one, and two that say something
                shared.simulator.release(model.partition("/")[2])

    assert answer.status_code == 200
    assert answer.headers["X-Request-Id"]
    assert told.endswith("data: [DONE]\n\n")


def test_bodies_pass_up_to_32_mb_and_larger_ones_are_refused_in_json(
    shared: ChaosInstallation, front: int
):
    caller = shared.caller()
    url = f"http://127.0.0.1:{front}/v1/chat/completions"

    def ask(size: int) -> httpx.Response:
        content = b" " * size
        return httpx.post(url, content=content, headers=caller.headers, timeout=30)

    read, refused, too_large = ask(32 << 20), ask((32 << 20) + 1), ask(34 << 20)
    assert read.status_code == 400  # it was read, and it is no JSON
    for answer in (refused, too_large):
        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "payload_too_large"
        assert answer.headers["X-Request-Id"]


def test_a_socket_is_upgraded(shared: ChaosInstallation, front: int):
    closes = []
    for port in (shared.webs[0].port, front):
        with connect(
            f"ws://127.0.0.1:{port}/ws/live/", origin=Origin(shared.webs[0].url)
        ) as socket:
            with pytest.raises(ConnectionClosed) as closed:
                socket.recv(timeout=10)
            closes.append(closed.value.rcvd.code)
    assert closes == [4401, 4401]  # who is not signed in is told so, here and there


def test_who_asks_is_known_by_nginx_alone(shared: ChaosInstallation, front: int):
    """Or metrics, which are for this machine, would be anybody's who says he is here."""
    there = {"X-Forwarded-For": "203.0.113.7"}
    urls = [f"http://127.0.0.1:{port}/metrics" for port in (shared.webs[0].port, front)]
    answers = [httpx.get(url, headers=there).status_code for url in urls]
    assert answers[0] != 200
    assert answers[1] == 200


def test_a_product_that_is_down_is_told_in_json(tmp_path: Path):
    with nginx(tmp_path / "nginx", upstream=free_port()) as port:
        for path in ("/v1/chat/completions", "/v1/messages", "/api/v1/calls/"):
            answer = httpx.get(f"http://127.0.0.1:{port}{path}")
            assert answer.status_code == 503
            assert answer.headers["Retry-After"] == "2"
            assert answer.headers["content-type"] == "application/json"
            error = answer.json()["error"]
            assert {"message", "type", "param", "code"} <= set(error)


def test_half_open_connections_hold_up_nobody(
    shared: ChaosInstallation, front: int, figures: Figures
):
    per_second, seconds, many = (60, 30, 1000) if figures.judged else (60, 1, 60)
    caller = shared.caller()
    # Faster than any model, and no faster than what is unread can be estimated.
    (model, long) = provide(shared, ["chunks-3", "chunks-20000-gap-8"])
    make = chat(model, caller.key)
    usual = _offer(front, make, per_second, seconds)
    slow = [*_half_open(many, bodies=figures.judged, caller=caller, model=model)]
    readers = [_reader(caller, long) for _ in range(many // 20)]
    memory = shared.webs[0].rss_bytes()

    with SlowClients([*slow, *readers], port=front) as clients:
        # To make up so much text takes the simulator a moment, which is not ours.
        wait_until(lambda: all(it.heard for it in readers))
        load = _offer(front, make, per_second, seconds)
        # The fault was there: nothing of theirs was whole, and they were shown out.
        wait_until(lambda: clients.open == readers)

    assert usual.statuses == load.statuses == {200: per_second * seconds}
    assert not any(b" 200 " in it.heard for it in slow)
    if figures.judged:
        bar = 2 * p99_ms(usual.outcomes) + 20
        unaffected = sum(it.latency_ms <= bar for it in load.outcomes)
        how = (
            f"{per_second}/s beside {len(slow):,} half-open connections and "
            f"{len(readers)} slow readers"
        )
        grown = shared.webs[0].rss_bytes() / memory
        for promise, value in (
            (promises.UNAFFECTED, 100 * unaffected / len(load.outcomes)),
            (promises.SHOWN_OUT_S, max(it.lasted_s for it in slow)),
            (promises.SLOW_MEMORY, grown),
        ):
            figures.measure(promise, value, how)


def _body(model: str) -> dict[str, object]:
    return {
        "model": model,
        "messages": [{"role": "user", "content": "hi"}],
        "max_tokens": 200,
    }


def _offer(
    port: int, make: Callable[[], Request], per_second: int, seconds: int
) -> OpenLoad:
    with OpenLoad(
        iter(make, None),
        ports=lambda: [port],
        per_second=per_second,
        count=per_second * seconds,
    ) as load:
        pass
    return load


def _half_open(
    many: int, *, bodies: bool, caller: Caller, model: str
) -> Iterator[Slow]:
    """Yield those who say nothing, who never end their header, and slow bodies."""
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "
    body = json.dumps(_body(model)).encode()
    whole = _head(caller, len(body))
    kinds = [Slow(b""), Slow(head), Slow(head, rest=b"a" * 1000)]
    if bodies:
        kinds += [Slow(whole, rest=body), Slow(whole + body[:10])]
    for number in range(many):
        kind = kinds[number % len(kinds)]
        yield Slow(kind.start, kind.rest)


def _reader(caller: Caller, model: str) -> Slow:
    body = {**_body(model), "stream": True, "max_tokens": 100_000}
    raw = json.dumps(body).encode()
    return Slow(_head(caller, len(raw)) + raw, reads=True)


def _head(caller: Caller, length: int) -> bytes:
    return (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {caller.key}\r\nContent-Length: {length}\r\n\r\n"
    ).encode()
