"""The judge itself: it says that nothing is wrong, and it says what is."""

from random import Random

import pytest

from tests.chaos.installation import ChaosInstallation
from tests.chaos.load import OpenLoad
from tests.chaos.requests import chat, mixed


def test_the_simulators_file_is_compared_attempt_by_attempt(
    staged: ChaosInstallation, random: Random
):
    caller = staged.caller()
    staged.budget(limit_usd="1", team=caller.team)
    model = staged.model("sim-chunks-5", input="0.000001", output="0.00001")
    streams, answers = chat(model, caller.key, stream=True), chat(model, caller.key)
    calls = mixed(random, {streams: 0.5, answers: 0.5})

    with OpenLoad(calls, ports=staged.ports, per_second=200, count=60) as load:
        pass

    assert load.ended == {"whole": 60}
    assert {outcome.port for outcome in load.outcomes} == set(staged.ports())
    staged.wait_until_settled()
    verdict = staged.verify()
    verdict.assert_sound()
    assert len(verdict.of(caller.agent).accepted) == 60
    assert verdict.booked_usd == verdict.billed_usd > 0

    # The judge is no yes-man: what is taken out of the books is missed.
    gone, *_ = verdict.exported
    verdict.exported.remove(gone)
    assert verdict.lost == [gone.attempt]
    with pytest.raises(AssertionError):
        verdict.assert_sound()
