"""The built-in prompts, one YAML file each: starting points to copy and change."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltIn:
    """A prompt as its file has it; definition is what prompts.definition takes."""

    slug: str
    name: str
    description: str
    definition: dict[str, Any]


def built_ins() -> list[BuiltIn]:
    """Return every built-in prompt, by slug."""
    return [_read(path) for path in sorted(_FOLDER.glob("*.yaml"))]


def _read(path: Path) -> BuiltIn:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    named = {name: content.pop(name) for name in ("slug", "name", "description")}
    return BuiltIn(**named, definition=content)
