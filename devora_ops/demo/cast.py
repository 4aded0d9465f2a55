"""Who and what the demo is, and what the history's names become here.

The history of devora_ops.simulator speaks of prompts and versions by its own names;
here they become rows that an installation can have beside those of its people.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from devora_ops.simulator import cast as history
from devora_ops.simulator import story

ACTOR: Final = "demo"
TEAM: Final = history.TEAM
AGENTS: Final = tuple(role.agent for role in history.ROLES)
CORPUS: Final = "demo-help-centre"
EXPERIMENT: Final = story.EXPERIMENT
SIMULATOR: Final = "simulator"
NAME_SUFFIX: Final = " (demo data)"

# variant → the number of its version
VARIANTS: Final = {story.CONTROL: 1, story.SHORTER: 2}

# Colour slots 1 to 6 are plain, 7 to 12 the same with a pattern: the dearest six are
# plain, and simulated models wear the pattern of those they are named after.
MODELS: Final[Mapping[str, int]] = {
    "anthropic/claude-sonnet-5": 1,
    "openai/gpt-6.1-sol": 2,
    "openai/gpt-5.4-mini": 3,
    "anthropic/claude-opus-5-5": 4,
    "openai/gpt-5.4": 5,
    "openrouter/google/gemini-3.8-flash": 6,
    "openrouter/deepseek/deepseek-v4-flash-0731": 11,
    "anthropic/claude-haiku-4-5": 12,
    "openrouter/anthropic/claude-sonnet-5": 7,
    "openrouter/anthropic/claude-opus-5.5": 10,
    "openrouter/anthropic/claude-haiku-4.5": 8,
}
SIMULATED: Final[Mapping[str, int]] = {
    "claude-sonnet-5": 7,
    "gpt-6.1-sol": 8,
    "gpt-5.4-mini": 9,
    "claude-opus-5-5": 10,
    "gpt-5.4": 11,
    "claude-haiku-4-5": 12,
}

_FIRST_VERSIONS = {role.prompt: role.version for role in history.ROLES}
_DOCUMENTS = Path(__file__).parent / "documents"


def slug_of(prompt: str) -> str:
    """Return the demo's slug of a prompt: the built-in ones keep theirs to themselves."""
    return f"demo-{prompt}"


def number_of(prompt: str, version: int) -> int:
    """Return the demo's number of a version of the history: ours begin at 1."""
    return version - _FIRST_VERSIONS[prompt] + 1


def documents() -> list[tuple[str, str, str]]:
    """Return the help centre's pages: external id, title, text."""
    pages = [(path.stem, path.read_text()) for path in sorted(_DOCUMENTS.glob("*.md"))]
    return [(stem, text.splitlines()[0].lstrip("# "), text) for stem, text in pages]
