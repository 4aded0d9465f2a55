"""A key that is revoked under load: no process takes it a second later."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import httpx

from tests.chaos import promises
from tests.chaos.figures import Figures
from tests.chaos.installation import ChaosInstallation
from tests.chaos.provide import provide
from tests.provisioning import Caller

_PATIENCE_S = 20.0


def test_a_revoked_key_is_taken_by_no_process(
    shared: ChaosInstallation, figures: Figures
):
    (model,) = provide(shared, ["instant"])
    many = 50 if figures.judged else 2
    took_s = [*_revocations(shared, many, model)]
    assert len(took_s) == many  # or a process took one until patience ended
    if figures.judged:
        how = f"the slowest of {many}, two processes, asked without a pause"
        figures.measure(promises.REVOKED_S, max(took_s), how)


def _revocations(shared: ChaosInstallation, many: int, model: str) -> Iterator[float]:
    """Revoke keys that are in use; yield how long each was taken after that."""
    with ThreadPoolExecutor(len(shared.webs)) as pool:
        for _ in range(many):
            caller = shared.caller()
            taken = Barrier(len(shared.webs) + 1)
            asking = [
                pool.submit(_ask_until_refused, web.url, caller, model, taken)
                for web in shared.webs
            ]
            taken.wait(_PATIENCE_S)
            revoked = _revoke(shared, caller)
            last = [each.result() for each in asking]
            yield max(0.0, max(last) - revoked)


def _ask_until_refused(url: str, caller: Caller, model: str, taken: Barrier) -> float:
    """Return when the last request left that was served; fails when none is refused."""
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    served = 0.0
    began = time.time()
    with httpx.Client(base_url=url, headers=caller.headers) as client:
        while (left := time.time()) < began + _PATIENCE_S:
            answer = client.post("/v1/chat/completions", json=body)
            if answer.status_code == 401:
                assert answer.json()["error"]["code"] == "invalid_api_key"
                assert served, "it was refused before it was revoked"
                return served
            assert answer.status_code == 200, answer.text
            if not served:
                taken.wait(_PATIENCE_S)
            served = left
    raise AssertionError("it was never refused")


def _revoke(shared: ChaosInstallation, caller: Caller) -> float:
    with shared.orm():
        from llm.models import ApiKey
        from llm.services import apikey_revoke

        key = ApiKey.objects.get(public_id=caller.key.split("_")[2])
        apikey_revoke(key=key, actor="test")
        return time.time()
