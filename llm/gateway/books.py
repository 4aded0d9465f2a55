"""The end of a call: its facts to the ledger, its content to the recorder, each once."""

import asyncio
import contextlib
import datetime as dt
import logging
from dataclasses import dataclass
from typing import Any

from costs.facts import Settlement
from costs.ledger import Ledger
from llm.gateway.call import Call
from llm.gateway.recorder import Recorder, Said

log = logging.getLogger("[LLM]")

_POST_TIMEOUT_S = 2.0
# Who catches it logs its trace; a second line would say less.
_TOLD_ELSEWHERE = "internal_error"


@dataclass(frozen=True, slots=True)
class Books:
    """Where a process writes what became of its calls."""

    ledger: Ledger
    recorder: Recorder

    async def post(self, call: Call) -> None:
        """Settle the attempts that have ended, while the call goes on.

        Returns once their holds are free, or after two seconds without Postgres.
        """
        attempts = call.take_unposted()
        if not attempts:
            return
        settled = self.ledger.settle(Settlement(attempts))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_POST_TIMEOUT_S):
                await asyncio.shield(settled)

    def close(self, call: Call, http_status: int, error_code: str = "") -> None:
        """Settle the call; whoever comes second changes nothing."""
        if call.ended:
            return
        call.ended = True
        now = dt.datetime.now(dt.UTC)
        fact = call.fact(http_status, error_code=error_code.replace("\0", ""), now=now)
        self.ledger.settle(Settlement(call.take_unposted(), fact))
        if error_code:
            _tell(call, http_status, error_code)

    def keep(self, call: Call, request: bytes, answer: bytes) -> None:
        """Keep what was asked and answered, as the agent's mode says."""
        said = Said(call.id, request, answer)
        self.recorder.record(said, mode=call.key.content)


def _tell(call: Call, http_status: int, error_code: str) -> None:
    """Log a call that its provider or we have failed; a caller's mistake is no news."""
    if error_code == _TOLD_ELSEWHERE:
        return
    failed = http_status >= 500 or error_code == "stream_broken"
    facts: dict[str, Any] = {"status": http_status}
    if call.model:
        facts["model"] = call.model
    if call.attempts:
        facts["attempts"] = [str(attempt.id) for attempt in call.attempts]
    facts["duration_ms"] = round(call.elapsed_ms())
    level = logging.WARNING if failed else logging.DEBUG
    log.log(level, "call failed: %s", error_code, extra=facts)
