"""Cut a text into pieces that an embedder can take whole.

Pieces end where the text does: headings first (Markdown), then semchunk's order of
paragraphs, lines, sentences, words. Linear in the text's length whatever the text.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import cast

from markdown_it import MarkdownIt
from semchunk.semchunk import chunk as cut

# semchunk recurses once for every kind of blank run it finds; cutting the text
# into windows first bounds its depth (to 126) and its work by the window.
_WINDOW = 8_000
# No embedder's vocabulary averages longer words than this; it bounds a piece in
# characters where tokens do not (20 MB of "aaa" is one unknown word to BERT).
_CHARS_PER_TOKEN = 10
_WORD = re.compile(r"\S+")
_HEADING_CHARS = 200
# Headings and the fences that hide them: with every rule of Markdown on, a hostile
# text takes minutes.
_BLOCKS = MarkdownIt("zero").enable(["heading", "lheading", "fence"])
_BLOCKS.core.ruler.enableOnly(["normalize", "block"])

CountTokens = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Piece:
    """text == source[start:end]; heading is the path above it, "Guide > Install"."""

    text: str
    start: int
    end: int
    tokens: int
    heading: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of text under one path of headings."""

    start: int
    end: int
    heading: str = ""


def chunk_text(
    text: str, *, count: CountTokens, size: int, overlap: int, markdown: bool = False
) -> Iterator[Piece]:
    """Yield pieces of at most `size` tokens, in order, blank ones left out.

    A piece begins with up to `overlap` tokens of the end of the one before it when
    both are of one section.
    """
    whole, part = _Limit(count, size), _Limit(count, size - overlap)
    for section in markdown_sections(text) if markdown else [Section(0, len(text))]:
        before: int | None = None
        for start, end in _spans(text, section, part):
            first = start
            if before is not None:
                reach = _reach_back(text, before, start, _Limit(count, overlap))
                first = reach if whole.holds(text[reach:end]) else start
            piece = text[first:end]
            yield Piece(piece, first, end, count(piece), section.heading)
            before = start


def markdown_sections(text: str) -> list[Section]:
    """Cut Markdown above every heading; a fenced `# comment` is none."""
    starts = [0, *accumulate(len(line) + 1 for line in text.split("\n"))]
    path: dict[int, str] = {}
    cuts: list[tuple[int, str]] = [(0, "")]
    for line, level, title in _headings(text):
        path = {n: t for n, t in path.items() if n < level} | {level: title}
        cuts.append((starts[line], " > ".join(path.values())[:_HEADING_CHARS]))
    cuts.append((len(text), ""))
    return [
        Section(start, end, heading)
        for (start, heading), (end, _) in pairwise(cuts)
        if end > start
    ]


def _headings(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield (line, level, title) of the headings outside lists and quotes."""
    tokens = _BLOCKS.parse(text)
    for token, content in pairwise(tokens):
        if token.type == "heading_open" and token.map:
            yield token.map[0], int(token.tag[1:]), content.content


class _Limit:
    """How much a piece may hold, in tokens and in characters."""

    def __init__(self, count: CountTokens, tokens: int) -> None:
        self.tokens = tokens
        self.chars = tokens * _CHARS_PER_TOKEN
        self._count = count

    def holds(self, text: str) -> bool:
        return self.weigh(text) <= self.tokens

    def weigh(self, text: str) -> int:
        """Tokens, or the share of the characters allowed where that is more."""
        if len(text) > self.chars:
            return self.tokens + 1
        return max(self._count(text), len(text) // _CHARS_PER_TOKEN)


def _spans(text: str, section: Section, limit: _Limit) -> Iterator[tuple[int, int]]:
    for start, end in _windows(text, section):
        window = text[start:end]
        if window.isspace():
            continue
        # No memory of counts: semchunk would keep every text it ever counted.
        _, offsets = cut(window, limit.tokens, limit.weigh, memoize=False, offsets=True)
        for first, last in cast(list[tuple[int, int]], offsets):
            piece = window[first:last]
            blank = len(piece) - len(piece.lstrip())
            yield start + first + blank, start + first + len(piece.rstrip())


def _windows(text: str, section: Section) -> Iterator[tuple[int, int]]:
    start = section.start
    while start < section.end:
        end = _window_end(text, start, section.end)
        yield start, end
        start = end


def _window_end(text: str, start: int, limit: int) -> int:
    if limit - start <= _WINDOW:
        return limit
    for blank in ("\n\n", "\n", " "):
        at = text.rfind(blank, start + _WINDOW // 2, start + _WINDOW)
        if at != -1:
            return at + len(blank)
    return start + _WINDOW


def _reach_back(text: str, before: int, start: int, limit: _Limit) -> int:
    """Return the first word start from which the limit reaches to `start`."""
    before = max(before, start - limit.chars)
    words = [match.start() for match in _WORD.finditer(text, before, start)]
    at = bisect_left(words, True, key=lambda word: limit.holds(text[word:start]))
    return words[at] if at < len(words) else start
