"""What names and longer texts may hold."""

import pytest

from devora_ops.common.text import TextRefused, check_text, clean_name


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("a\0b", "nul_character"),
        ("\ud800", "surrogate"),
        ("", "blank"),
        ("   ", "blank"),
        ("\u200b\u200b", "blank"),
        ("\u2003\u200d", "blank"),
        ("\u202eevil", "control_character"),
        ("\u2067a", "control_character"),
        ("\x1b[31mred", "control_character"),
        ("a\r\nX-Injected: 1", "control_character"),
        ("a\u2028b", "control_character"),
        ("a\x07b", "control_character"),
        ("a" * 101, "max_length"),
        ("a" * 1_000_000, "max_length"),
    ],
    ids=ascii,
)
def test_a_name_is_refused(name, code):
    with pytest.raises(TextRefused) as refusal:
        clean_name(name)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    "name",
    [
        "👩‍👩‍👧‍👦",
        "<script>alert(1)</script>",
        "{{7*7}}",
        '=HYPERLINK("http://e")',
        "\uffff",
        "שלום",
        "é" * 100,
    ],
)
def test_a_name_passes_as_it_is(name):
    assert clean_name(name) == name


def test_spaces_around_a_name_go():
    assert clean_name("  two words ") == "two words"


def test_a_text_may_have_lines_but_no_nul():
    check_text("one\r\n\ttwo")
    with pytest.raises(TextRefused, match="NUL"):
        check_text("one\0two")
