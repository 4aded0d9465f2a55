"""The server's end of a request for which there is no room.

What an answer costs decides how much is served under overload: one that never becomes
a task of its own costs a fifth of one that does.
"""

from collections.abc import Callable
from typing import Any, Final

from uvicorn._types import ASGI3Application, HTTPScope
from uvicorn.protocols.http.httptools_impl import (
    HttpToolsProtocol,
    RequestResponseCycle,
)

# In the lifespan's state: returns a whole answer, or None when there is room.
TURN_AWAY: Final = "devora.turn_away"
TurnAway = Callable[[HTTPScope], bytes | None]


class SheddingProtocol(HttpToolsProtocol):
    """uvicorn's protocol that asks first whether a request may come in.

    An application says so in its lifespan's state; see TURN_AWAY.
    """

    def _start_asgi_task(
        self, cycle: RequestResponseCycle, app: ASGI3Application
    ) -> None:
        turn_away: TurnAway | Any = self.app_state.get(TURN_AWAY)
        answer = turn_away(cycle.scope) if turn_away else None
        if answer is None:
            super()._start_asgi_task(cycle, app)
            return
        # Its body, if one comes, is read and dropped.
        cycle.response_started = cycle.response_complete = True
        self.transport.write(answer)
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()
