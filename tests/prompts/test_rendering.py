"""What templates can do, and what a render leaves alone."""

import copy
import threading
from typing import Any

import pytest

from prompts.rendering import check, check_messages, render, render_messages


@pytest.mark.parametrize(
    ("source", "variables", "text"),
    [
        ("Hello {{ name }}!", {"name": "Ada"}, "Hello Ada!"),
        ("no tags at all\n", {}, "no tags at all\n"),
        ("{{ a.b.c }}", {"a": {"b": {"c": 1}}}, "1"),
        ("{{ xs.0 }}{{ xs[-1] }}", {"xs": ["a", "b"]}, "ab"),
        ("{{ d[k] }}", {"d": {"x": "y"}, "k": "x"}, "y"),
        ("{{ d.items }}{{ d.pop }}", {"d": {"items": 1, "pop": 2}}, "12"),
        ("{% if a %}x{% elif b %}y{% else %}z{% endif %}", {"a": 0, "b": 1}, "y"),
        ("{{ 'x' if a else 'y' }}", {"a": False}, "y"),
        ("{% if a and not (b or c) %}x{% endif %}", {"a": 1, "b": 0, "c": 0}, "x"),
        ("{% if a in ['x', 'y'] %}in{% endif %}", {"a": "y"}, "in"),
        ("{% if 'x' not in a %}out{% endif %}", {"a": ["y"]}, "out"),
        ("{% if a >= 1.5 and a != 3 %}x{% endif %}", {"a": 2}, "x"),
        ("{% if a is none %}x{% endif %}", {"a": None}, "x"),
        (
            "{% for x in xs %}{{ loop.index }}{{ x }};{% endfor %}",
            {"xs": "ab"},
            "1a;2b;",
        ),
        ("{% for x in xs %}x{% else %}none{% endfor %}", {"xs": []}, "none"),
        (
            "{% for k, v in d|items %}{{ k }}={{ v }} {% endfor %}",
            {"d": {"a": 1}},
            "a=1 ",
        ),
        ("{% for i in range(3) %}{{ i }}{% endfor %}", {}, "012"),
        ("{% for i in range(n, 0, -1) %}{{ i }}{% endfor %}", {"n": 2}, "21"),
        ("a {%- if true -%}  b  {%- endif +%} c", {}, "ab c"),
        ("{{- ' x ' -}}  y", {}, " x y"),
        ("{# a comment {{ x }} #}y", {}, "y"),
        ("{% raw %}{{ x }}{% endraw %}", {}, "{{ x }}"),
        ("{ {{ x }} }", {"x": 1}, "{ 1 }"),
        ("{%- raw -%} { {%- endraw %}{{ x }}", {"x": 1}, "{1"),
        (r"{{ 'a\n\"b\"é' }}", {}, 'a\n"b"é'),
        ("{{ x|default('d') }}{{ y|d }}", {}, "d"),
        ("{{ u.name|default('you') }}", {"u": {}}, "you"),
        ("{% if x is defined %}{{ x }}{% endif %}.", {}, "."),
        ("{{ x|upper|replace('A', 'b')|trim }}", {"x": " aA "}, "bb"),
        ("{{ xs|join(', ') }} {{ xs|length }}", {"xs": [1, "b", None]}, "1, b, None 3"),
        ("{{ xs|sort|first }}{{ xs|last }}", {"xs": [3, 1, 2]}, "12"),
        ("{{ xs|unique|reverse|tojson }}", {"xs": ["a", "b", "a"]}, '["b","a"]'),
        ("{{ 3.14159|round(2) }} {{ '7'|int }} {{ 'x'|int(9) }}", {}, "3.14 7 9"),
        ("{{ x|truncate(8) }}", {"x": "abc def ghi"}, "abc…"),
        ("{{ x|truncate(5, true, end='') }}", {"x": "abcdefgh"}, "abcde"),
        ("{{ x }}", {"x": {"a": [1, True, None, "é"]}}, '{"a":[1,true,null,"é"]}'),
        ("{{ x|tojson(indent=2) }}", {"x": {"a": 1}}, '{\n  "a": 1\n}'),
        ("{{ a }} {{ b }} {{ c }}", {"a": True, "b": None, "c": 1.5}, "True None 1.5"),
        ("<b>{{ x }}</b>", {"x": "<i>&\"'"}, "<b><i>&\"'</b>"),
    ],
)
def test_it_renders(source, variables, text):
    assert render(source, variables) == text


def test_c072_a_value_is_never_rendered_again():
    assert render("{{ x }}", {"x": "{{7*7}} {% raw %}"}) == "{{7*7}} {% raw %}"


def test_a_megabyte_of_one_value_still_fits():
    value = "a" * 1_000_000
    assert render("Summarise:\n{{ text }}", {"text": value}) == "Summarise:\n" + value


def test_a_long_table_still_fits():
    rows = [[f"cell {r}.{c}" for c in range(10)] for r in range(1500)]
    source = "{% for r in rows %}{% for c in r %}{{ c }}|{% endfor %}\n{% endfor %}"
    lines = render(source, {"rows": rows}).splitlines()
    assert len(lines) == 1500
    assert lines[7].startswith("cell 7.0|cell 7.1|")


def test_one_large_document_among_many_does_not_stop_the_loop():
    documents = [{"text": "short", "tags": ["a"]} for _ in range(500)]
    documents[3]["text"] = "long " * 20_000
    source = (
        "{% for d in docs %}{% if 'a' in d.tags %}{{ d.text }}{% endif %}{% endfor %}"
    )
    assert len(render(source, {"docs": documents})) == 100_000 + 499 * 5


def test_the_callers_values_stay_as_they_are():
    variables = {"d": {"a": [1, 2, {"b": "c"}]}}
    before = copy.deepcopy(variables)
    render("{{ d }}{% for x in d.a|reverse %}{{ x }}{% endfor %}", variables)
    assert variables == before


def test_check_says_what_a_source_needs():
    info = check(
        "{% for item in order.items_ %}{{ item.name }}{% endfor %}"
        "{{ tone|default('kind') }}{% if vip is defined %}!{% endif %}"
    )
    assert info.variables == ("order", "tone", "vip")
    assert info.optional == {"tone", "vip"}


def test_messages_are_optional_only_where_no_message_needs_them():
    info = check_messages(
        [
            {"role": "system", "content": "{{ tone|default('kind') }} {{ name }}"},
            {"role": "user", "content": [{"type": "text", "text": "{{ tone }}"}]},
        ]
    )
    assert info.variables == ("name", "tone")
    assert info.optional == frozenset()


def test_messages_keep_everything_but_their_texts():
    image: dict[str, Any] = {
        "type": "image_url",
        "image_url": {"url": "https://e.test/{{ x }}"},
    }
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "Be {{ tone }}.", "name": "{{ tone }}"},
        {"role": "user", "content": [{"type": "text", "text": "Hi {{ tone }}"}, image]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
    ]
    assert render_messages(messages, {"tone": "kind"}) == [
        {"role": "system", "content": "Be kind.", "name": "{{ tone }}"},
        {"role": "user", "content": [{"type": "text", "text": "Hi kind"}, image]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
    ]


def test_threads_do_not_share_what_a_render_may_spend():
    texts: list[str] = []

    def work(value: str) -> None:
        texts.extend(render("{{ x }}", {"x": value * 900_000}) for _ in range(3))

    threads = [threading.Thread(target=work, args=(letter,)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(text[0] for text in texts) == sorted("abcd" * 3)
    assert {len(text) for text in texts} == {900_000}


def test_more_sources_than_the_cache_holds_render_all_the_same():
    texts = [render(f"{i} {{{{ x }}}}", {"x": i}) for i in range(1500)]
    assert texts[0] == "0 0"
    assert render("0 {{ x }}", {"x": "again"}) == "0 again"
