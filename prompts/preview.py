"""Render text that nobody has saved yet, in a child with little memory and time.

The check and the meter hold for such text as well; the child is there so that a hole
in them costs the author of the text one second and nobody else anything.
Run as `python -m prompts.preview` it is that child: JSON in, JSON out.
"""

import json
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prompts.rendering import TemplateError, check_messages, render_messages
from prompts.template.errors import TemplateTooExpensive, restored

_MEMORY_BYTES = 512 * 1024 * 1024
_CPU_S = 2
_WALL_S = 5.0
_ROOT = Path(__file__).resolve().parent.parent


def preview(
    messages: Sequence[Mapping[str, Any]], variables: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return the rendered messages, or raise the TemplateError that stops them."""
    answer = _ask_child({"messages": messages, "variables": variables})
    if "error" in answer:
        raise restored(answer["error"])
    rendered: list[dict[str, Any]] = answer["messages"]
    return rendered


def _ask_child(question: Mapping[str, Any]) -> dict[str, Any]:
    try:
        done = subprocess.run(
            [sys.executable, "-m", "prompts.preview"],
            input=json.dumps(question, allow_nan=False),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=_WALL_S,
            cwd=_ROOT,
            # Nothing of ours goes along: no key, no address.
            env={"PATH": "/usr/bin:/bin", "PYTHONUTF8": "1"},
            check=True,
        )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
        raise TemplateTooExpensive("The preview took too long.") from None
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def answer(question: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the child says: messages, or the error as data."""
    try:
        check_messages(question["messages"])
        return {"messages": render_messages(**question)}
    except TemplateError as error:
        return {"error": error.as_data()}


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Answer one question on the standard streams."""
    _limit()
    sys.stdout.write(json.dumps(answer(json.load(sys.stdin))))


if __name__ == "__main__":
    main()
