"""Cutting a text into pieces; a word is a token here."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.chunking import chunk_text, markdown_sections

LETTERS = st.sampled_from("ab .,\n\t\r!é\u0301漢")
TEXTS = st.text(LETTERS, max_size=3000) | st.text(max_size=500)


def words(text):
    return len(text.split())


def cut(text, *, size=20, overlap=0, markdown=False):
    pieces = chunk_text(
        text, count=words, size=size, overlap=overlap, markdown=markdown
    )
    return list(pieces)


@settings(deadline=None)
@given(text=TEXTS, overlap=st.integers(0, 8))
def test_pieces_are_cut_from_the_text_and_leave_nothing_out(text, overlap):
    pieces = cut(text, overlap=overlap)
    covered = set()
    for piece in pieces:
        assert piece.text == text[piece.start : piece.end]
        assert piece.text.strip()
        assert piece.tokens == words(piece.text) <= 20
        covered.update(range(piece.start, piece.end))
    left = "".join(text[i] for i in range(len(text)) if i not in covered)
    assert not left.strip()
    assert [p.end for p in pieces] == sorted(p.end for p in pieces)


def test_a_piece_begins_with_the_end_of_the_one_before():
    text = " ".join(f"w{number}" for number in range(60))
    first, second, *_rest = cut(text, size=20, overlap=5)
    assert first.text.split()[-5:] == second.text.split()[:5]


def test_a_short_text_is_one_piece():
    (piece,) = cut("  A sentence. Another one.\n")
    assert piece.text == "A sentence. Another one."
    assert (piece.start, piece.end) == (2, 26)


def test_pieces_end_where_sentences_do():
    sentence = "One two three four five six seven. "
    pieces = cut(sentence * 10, size=20)
    assert all(piece.text.endswith("seven.") for piece in pieces)


def test_headings_part_markdown_and_name_its_pieces():
    text = "# Guide\nintro\n## Install\n\npip\n\nUse\n===\nrun\n## Stop\nkill\n"
    pieces = cut(text, markdown=True, overlap=3)
    assert [(piece.heading, piece.text.split()[-1]) for piece in pieces] == [
        ("Guide", "intro"),
        ("Guide > Install", "pip"),
        ("Use", "run"),
        ("Use > Stop", "kill"),
    ]


def test_a_comment_in_a_fence_is_no_heading():
    text = "# Guide\n\n```sh\n# not a heading\n```\n"
    assert [section.heading for section in markdown_sections(text)] == ["Guide"]


def test_headings_of_plain_text_stay_text():
    (piece,) = cut("# Guide\nintro\n## Install\n")
    assert piece.heading == ""


HOSTILE = {
    "one line of one letter": "a" * 200_000,
    "words on one line": "word " * 50_000,
    "combining marks": "\u0301" * 200_000,
    "blank runs of many lengths": "".join("a" + "\n" * (i % 500) for i in range(800)),
    "exclamation marks": "!" * 200_000,
    "no blanks at all": "漢字" * 50_000,
    "deep quotes": ">" * 10_000 + " x",
    "headings only": "# a\n" * 20_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_text_costs_work_in_proportion_to_its_length(text):
    counted = 0

    def count(part):
        nonlocal counted
        counted += len(part)
        return words(part)

    pieces = list(chunk_text(text, count=count, size=200, overlap=30, markdown=True))
    assert pieces
    assert all(len(piece.text) <= 2_000 for piece in pieces)
    assert counted < 60 * len(text)


def test_a_million_blank_lines_have_no_piece():
    assert cut("\n" * 1_000_000, markdown=True) == []
