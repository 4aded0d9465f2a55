"""Hostile and broken templates, and the answer each of them gets."""

import pytest

from prompts.rendering import TemplateError, check, render, render_messages

_DEEP_RANGE = "{% for a in range(1000) %}"
_MACRO = "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}"

FORBIDDEN = {
    "C001": "{{ ''.__class__.__mro__ }}",
    "C002": "{{ ''|attr('__class__') }}",
    "C004": "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "C010": "{{ '%s'.__mod__ }}",
    "C012": "{{ d.update({'a':1}) }}",
    "C013": "{{ d.pop('k') }}",
    "C016": "{% import 'os' as os %}",
    "C018": "{% from 'x' import y %}",
    "C019": "{{ namespace.__init__ }}",
    "C020": "{{ joiner.__init__.__globals__ }}",
    "C021": "{{ request.META }}",
    "C022": "{{ settings.SECRET_KEY }}",
    "C023": "{{ messages.0._meta }}",
    "C024": "{{ x|map(attribute='__class__')|list }}",
    "C025": "{{ [x]|groupby('__class__') }}",
    "C027": "{% do x.append(1) %}",
    "C034": "{{ '%02000000000d' % 1 }}",
    "C036": "{{ 'a'|center(2000000000) }}",
    "C045": "{{ [1]|batch(10000000,'x')|list }}",
    "C046": "{{ range(99999)|map('string')|sort|join }}",
    "C048": _MACRO,
    "C050": "{{ xs|sum(start='a') }}",
    "set": "{% set a = a ~ a %}",
    "include": "{% include 'x' %}",
    "extends": "{% extends 'x' %}",
    "call": "{% call f() %}{% endcall %}",
    "concatenation": "{{ a ~ a }}",
    "addition": "{{ a + a }}",
    "indent": "{{ 1|indent(1000000000) }}",
    "call of a variable": "{{ f() }}",
    "call in a condition": "{% if d.pop('k') %}x{% endif %}",
    "call in a loop": "{% for x in d.items() %}x{% endfor %}",
    "recursive loop": "{% for x in xs recursive %}{{ loop(x) }}{% endfor %}",
    "call of the loop": "{% for x in xs %}{{ loop(x) }}{% endfor %}",
    "cycle": "{% for x in xs %}{{ loop.cycle(1, 2) }}{% endfor %}",
    "dunder in a subscript": "{{ x['__class__'] }}",
    "private name": "{{ x._private }}",
    "list of variables": "{% if a in [b] %}x{% endif %}",
    "unknown test": "{% if a is sameas(b) %}x{% endif %}",
    "map literal": "{{ {'a': 1} }}",
}
EXPENSIVE = {
    "C029": _DEEP_RANGE * 3 + "x" + "{% endfor %}" * 3,
    "C031": "{{ 'a'*900000000 }}",
    "C043": "{{ ('a '*1000000)|wordwrap(1) }}",
    "C047": "{{ 'a'*10000 }}",
    "power": "{{ 9**(9**9) }}",
    "range literal": "{% for i in range(100000) %}x{% endfor %}",
    "filter chain": "{{ a" + "|trim" * 5000 + " }}",
    "attribute chain": "{{ a" + ".b" * 5000 + " }}",
    "and chain": "{% if " + "a and " * 5000 + "a %}x{% endif %}",
    "not chain": "{% if " + "not " * 5000 + "a %}x{% endif %}",
    "choice chain": "{{ " + "a if a else " * 2000 + "a }}",
    "elif chain": "{% if a %}" + "{% elif a %}" * 4000 + "{% endif %}",
    "parentheses": "{{ " + "(" * 3000 + "a" + ")" * 3000 + " }}",
    "subscripts": "{{ " + "a[" * 3000 + "a" + "]" * 3000 + " }}",
    "blocks": "{% if a %}" * 1000 + "{% endif %}" * 1000,
}
SYNTAX = {
    "C052": "{% if %}",
    "C053": "{% for %}",
    "C056": "{% endif %}",
    "C057": "{% if 1 %}",
    "C058": "{{ x | }}",
    "C060": "{% nosuchtag %}",
    "C062": "{{ x..y }}",
    "C066": "{# unclosed",
    "unclosed variable": "{{ x",
    "unclosed tag": "{% if x",
    "unclosed text": "{{ 'x }}",
    "unclosed raw": "{% raw %}{{ x }}",
    "empty variable": "{{ }}",
    "empty tag": "{% %}",
    "two values": "{{ x y }}",
    "wrong end": "{% if x %}{% endfor %}",
    "two else": "{% if x %}{% else %}{% else %}{% endif %}",
    "elif in a loop": "{% for x in y %}{% elif x %}{% endfor %}",
    "number out of range": "{{ 1" + "0" * 5000 + " }}",
    "odd character": "{{ x ? y }}",
    "choice without else": "{{ x if y }}",
    "keyword as a name": "{% for in in x %}{% endfor %}",
    "half a character": r"{{ '\ud800' }}",
}


def _cases(table):
    return [pytest.param(source, id=name) for name, source in table.items()]


@pytest.mark.parametrize("source", _cases(FORBIDDEN))
def test_it_forbids_what_prompts_have_no_use_for(source):
    with pytest.raises(TemplateError) as refused:
        check(source)
    assert (refused.value.status, refused.value.code) == (422, "template_forbidden")


@pytest.mark.parametrize("source", _cases(EXPENSIVE))
def test_it_refuses_bombs_before_anything_runs(source):
    with pytest.raises(TemplateError) as refused:
        check(source)
    assert (refused.value.status, refused.value.code) == (422, "template_too_expensive")


@pytest.mark.parametrize("source", _cases(SYNTAX))
def test_a_syntax_error_says_line_and_column(source):
    with pytest.raises(TemplateError) as refused:
        check("first line\n" + source)
    assert (refused.value.status, refused.value.code) == (422, "template_syntax")
    assert refused.value.extra["position"]["line"] == 2
    assert refused.value.extra["position"]["column"] >= 1


def test_the_column_is_where_the_trouble_is():
    with pytest.raises(TemplateError) as refused:
        check("a\nbb {{ x | }}")
    assert refused.value.extra == {"position": {"line": 2, "column": 11}}


def test_c068_a_power_of_five_thousand_digits_is_refused():
    with pytest.raises(TemplateError) as refused:
        check("{{ 10**5000 }}")
    assert refused.value.status == 422


@pytest.mark.parametrize(
    ("source", "code"),
    [
        pytest.param("", "blank", id="C079"),
        pytest.param(" \n\t ", "blank", id="white space alone"),
        pytest.param("hello".encode("utf-16").decode("latin-1"), "invalid_unicode"),
        pytest.param("half a \ud800 character", "invalid_unicode", id="surrogate"),
    ],
)
def test_it_refuses_what_is_no_text(source, code):
    with pytest.raises(TemplateError) as refused:
        check(source)
    assert (refused.value.status, refused.value.code) == (422, code)


@pytest.mark.parametrize("source", ["x" * 100_000, "é" * 40_000])
def test_c082_a_source_over_64_kb_is_too_large(source):
    with pytest.raises(TemplateError) as refused:
        check(source)
    assert (refused.value.status, refused.value.code) == (413, "payload_too_large")


def test_c070_missing_variables_are_listed():
    with pytest.raises(TemplateError) as refused:
        render("{{ missing }} {{ there }} {{ gone.too }}", {"there": 1})
    assert refused.value.code == "template_variable_missing"
    assert refused.value.extra["names"] == ("gone", "missing")


@pytest.mark.parametrize(
    "source", ["{{ user.name }}", "{{ user.name|upper }}", "{{ user['name']|tojson }}"]
)
def test_a_missing_part_of_a_variable_is_named(source):
    with pytest.raises(TemplateError) as refused:
        render(source, {"user": {}})
    assert refused.value.code == "template_variable_missing"
    assert refused.value.extra["names"] == ("user.name",)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        pytest.param("__class__", "invalid_name", id="C075"),
        pytest.param("self", "reserved", id="C076 self"),
        pytest.param("loop", "reserved", id="C076 loop"),
        ("_hidden", "invalid_name"),
        ("two words", "invalid_name"),
        ("", "invalid_name"),
        ("é", "invalid_name"),
        ("a" * 101, "invalid_name"),
        ("if", "reserved"),
    ],
)
def test_it_refuses_names_that_variables_cannot_have(name, code):
    with pytest.raises(TemplateError) as refused:
        render("x {{ x }}", {"x": 1, name: 1})
    assert (refused.value.status, refused.value.code) == (422, code)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (object(), "not_json"),
        (print, "not_json"),
        ({1: "a"}, "not_json"),
        ((1, 2), "not_json"),
        (float("nan"), "not_json"),
        (float("inf"), "not_json"),
        (2**64, "not_json"),
        (b"bytes", "not_json"),
        ("half \udc00", "invalid_unicode"),
    ],
)
def test_values_are_json_and_nothing_else(value, code):
    with pytest.raises(TemplateError) as refused:
        render("{{ x }}", {"x": value})
    assert (refused.value.status, refused.value.code) == (422, code)


def test_values_nested_too_deeply_are_refused():
    value: list[object] = []
    for _ in range(100):
        value = [value]
    with pytest.raises(TemplateError) as refused:
        render("{{ x }}", {"x": value})
    assert refused.value.code == "too_deep"


_MEGABYTE = "a" * 1_000_000
_WORDS = [f"word {i}" for i in range(20_000)]
BOMBS = {
    "C041": (
        "{% for i in range(300) %}{% for j in range(300) %}" + "x" * 1000,
        {},
        "{% endfor %}{% endfor %}",
    ),
    "C049": ("{{ x|tojson }}", {"x": "a" * 10_000_000}, ""),
    "twice a megabyte": ("{{ x }}{{ x }}", {"x": _MEGABYTE}, ""),
    "text in loops": (_DEEP_RANGE + "x" * 60_000, {}, "{% endfor %}"),
    "empty loops": (_DEEP_RANGE * 2, {}, "{% endfor %}" * 2),
    "replace chain": ("{{ x" + "|replace('a','aaaaaaaa')" * 60 + " }}", {"x": "a"}, ""),
    "json chain": ("{{ x" + "|tojson" * 90 + " }}", {"x": '"'}, ""),
    "join by a megabyte": ("{{ x|join(y) }}", {"x": _WORDS[:9], "y": _MEGABYTE}, ""),
    "upper in loops": (
        _DEEP_RANGE + "{% if x|upper|length %}{% endif %}",
        {"x": _MEGABYTE},
        "{% endfor %}",
    ),
    "compare in loops": (
        _DEEP_RANGE * 2 + "{% if x == y %}{% endif %}",
        {"x": _WORDS, "y": [*_WORDS]},
        "{% endfor %}" * 2,
    ),
    "search in loops": (
        _DEEP_RANGE * 2 + "{% if 'z' in x %}{% endif %}",
        {"x": _WORDS},
        "{% endfor %}" * 2,
    ),
    "range of a value": ("{% for i in range(n) %}", {"n": 10**9}, "{% endfor %}"),
    "letters": ("{% for c in x %}{{ c }}", {"x": _MEGABYTE}, "{% endfor %}"),
    "many values": ("{{ x|length }}", {"x": [0] * 60_000}, ""),
}


@pytest.mark.parametrize(
    ("head", "variables", "tail"),
    [pytest.param(*bomb, id=name) for name, bomb in BOMBS.items()],
)
def test_a_bomb_that_needs_values_runs_out_of_its_means(head, variables, tail):
    with pytest.raises(TemplateError) as refused:
        render(head + tail, variables)
    assert (refused.value.status, refused.value.code) == (422, "template_too_expensive")


def test_many_messages_share_one_allowance():
    messages = [{"role": "user", "content": "{{ x }}" + "!" * i} for i in range(3)]
    with pytest.raises(TemplateError) as refused:
        render_messages(messages, {"x": "a" * 400_000})
    assert refused.value.code == "template_too_expensive"


@pytest.mark.parametrize(
    ("source", "variables"),
    [
        ("{{ x|join }}", {"x": 3}),
        ("{{ x|items }}", {"x": []}),
        ("{{ x|first }}", {"x": []}),
        ("{{ x|sort }}", {"x": [1, "a"]}),
        ("{{ x|round }}", {"x": "1"}),
        ("{{ 1.5|round(999) }}", {}),
        ("{{ x|replace('', 'y') }}", {"x": "abc"}),
        ("{{ x|truncate('y') }}", {"x": "abc"}),
        ("{{ x|replace('a') }}", {"x": "abc"}),
        ("{% for i in range(1, 5, 0) %}{% endfor %}", {}),
        ("{% for i in range('a') %}{% endfor %}", {}),
        ("{% for a, b in x %}{% endfor %}", {"x": [1]}),
        ("{% for a in x %}{% endfor %}", {"x": 1}),
        ("{% if 'a' in x %}{% endif %}", {"x": 1}),
    ],
)
def test_values_of_the_wrong_kind_are_refused_in_words(source, variables):
    with pytest.raises(TemplateError) as refused:
        render(source, variables)
    assert refused.value.status == 422
    assert refused.value.message
