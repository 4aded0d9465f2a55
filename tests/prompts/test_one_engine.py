"""Prompts are rendered in one place; a second engine would have other rules."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
OURS = ("costs", "devora_ops", "experiments", "llm", "prompts", "rag")
ENGINES = re.compile(
    r"^\s*(?:import|from)\s+(?:minijinja|jinja2|mako|chevron|pystache|liquid)\b",
    re.MULTILINE,
)
# Django's own engine renders pages; handing it a text from elsewhere would be a hole.
FROM_TEXT = re.compile(r"\bTemplate\(|\bfrom_string\(|\brender_str\(|\beval_expr\(")


def _sources():
    return [path for folder in OURS for path in (ROOT / folder).rglob("*.py")]


def test_only_rendering_knows_an_engine():
    found = {p for p in _sources() if ENGINES.search(p.read_text(encoding="utf-8"))}
    assert found == {ROOT / "prompts" / "rendering.py"}


def test_nobody_renders_a_text_by_another_way():
    assert not [p for p in _sources() if FROM_TEXT.search(p.read_text("utf-8"))]
