"""What holds for every template and every value."""

import json
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from prompts.rendering import (
    TemplateError,
    TemplateTooExpensive,
    TemplateVariableMissing,
    check,
    render,
)

text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=200)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | text,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4)
    ),
    max_leaves=12,
)
# Pieces that together make something like templates, right and wrong ones.
pieces = st.lists(
    st.sampled_from(
        [
            "{{",
            "}}",
            "{%",
            "%}",
            "{#",
            "#}",
            "{{-",
            "-}}",
            "{%-",
            "-%}",
            "if",
            "else",
            "elif",
            "endif",
            "for",
            "endfor",
            "in",
            "raw",
            "endraw",
            "set",
            "not",
            "and",
            "or",
            "is",
            "defined",
            "none",
            "x",
            "y",
            "xs",
            "loop.index",
            "range",
            "(",
            ")",
            "[",
            "]",
            ".",
            "|",
            ",",
            "=",
            "==",
            "<",
            "+",
            "-",
            "*",
            "**",
            "~",
            "'",
            '"',
            "\\",
            "0",
            "1",
            "999",
            "'a'",
            '"b"',
            "upper",
            "join",
            "replace('a','bb')",
            "tojson",
            "default",
            "truncate(5)",
            "first",
            "items",
            "__class__",
            "_x",
            "é",
            "🙂",
        ]
    )
    | text,
    max_size=40,
)


@given(text)
def test_a_rendered_text_equals_itself(value):
    assert render("{{ x }}", {"x": value}) == value


@given(text, text, text)
def test_text_around_a_value_stays_as_it_is(before, value, after):
    source = before.replace("{", "(") + "{{ x }}" + after.replace("{", "(")
    rendered = before.replace("{", "(") + value + after.replace("{", "(")
    assert render(source, {"x": value}) == rendered


@given(json_values)
def test_tojson_gives_the_value_back(value):
    assert json.loads(render("{{ x|tojson }}", {"x": value})) == value


@settings(max_examples=150)
@given(pieces, st.sampled_from([" ", ""]), json_values, json_values)
def test_any_source_renders_within_its_bounds_or_is_refused(parts, glue, x, y):
    source = glue.join(parts)
    with suppress(TemplateError):
        rendered = render(source, {"x": x, "y": y, "xs": [x, y]})
        assert len(rendered.encode()) <= 1024 * 1024


@settings(max_examples=150)
@given(pieces, st.sampled_from([" ", ""]))
def test_what_passes_the_check_needs_no_other_names(parts, glue):
    source = glue.join(parts)
    missing: list[str] = []
    with suppress(TemplateError):
        info = check(source)
        try:
            render(source, dict.fromkeys(info.variables, "v"))
        except TemplateVariableMissing as error:
            missing = [name for name in error.names if name in info.variables]
    assert not missing


@settings(max_examples=30)
@given(st.integers(1, 1000), st.integers(1, 1000), st.integers(0, 5000))
def test_no_loop_puts_out_more_than_a_megabyte(outer, inner, width):
    source = (
        f"{{% for i in range({outer}) %}}{{% for j in range({inner}) %}}"
        "{{ x }}{% endfor %}{% endfor %}."
    )
    with suppress(TemplateTooExpensive):
        rendered = render(source, {"x": "w" * width})
        assert len(rendered) == outer * inner * width + 1 <= 1024 * 1024
