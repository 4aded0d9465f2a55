"""A web process that outlives its supervisor does not do so for long.

An ordinary stop gives calls under way a minute. When `up` was killed, it is the kernel
that stops us: Postgres stops beside us, and the next run waits for our port.
"""

import os
import signal
from pathlib import Path
from types import FrameType

import uvicorn

SUPERVISOR = "DEVORA_SUPERVISOR"  # its process id, in our environment

_GRACE_S = 6


def hurry_when_orphaned() -> None:
    """Have uvicorn stop in seconds once the supervisor is gone; call it in its loop."""
    handle = signal.getsignal(signal.SIGTERM)
    server = getattr(handle, "__self__", None)
    supervisor = os.environ.get(SUPERVISOR)
    if supervisor is None or not isinstance(server, uvicorn.Server):
        return

    def stop(number: int, frame: FrameType | None) -> None:
        if _is_orphaned(int(supervisor)):
            server.config.timeout_graceful_shutdown = _GRACE_S
        server.handle_exit(number, frame)

    signal.signal(signal.SIGTERM, stop)


def _is_orphaned(supervisor: int) -> bool:
    """Whether it is our ancestor no more; between us may be uvicorn's own parent.

    The kernel gives us a new parent before it tells us that the old one died.
    """
    parent = os.getppid()
    if parent == supervisor:
        return False
    try:
        facts = Path(f"/proc/{parent}/stat").read_text()
    except OSError:
        return True
    return int(facts.rpartition(")")[2].split()[1]) != supervisor
