"""From `prompt:<slug>` to a body that can be routed."""

import subprocess
import sys

import pytest

from devora_ops.common.errors import DevoraError
from devora_ops.common.snapshots import Snapshot
from experiments.expansion import Expander
from experiments.runtime import Arm, ExperimentsSnapshot, RunningExperiment
from prompts.runtime import PromptSnapshot, PromptsSnapshot, PromptVersionSnapshot

DECLARED = {"name": {"type": "string", "required": True}}
ARMS = (Arm("control", 1, 1), Arm("short", 1, 2))
RUNNING = ExperimentsSnapshot({"p": RunningExperiment("tone", "salt", ARMS)})


def _version(number, **fields):
    content = {
        "messages": [{"role": "user", "content": "Hi {{ name }}"}],
        "variables": DECLARED,
        "model": f"model-{number}",
        **fields,
    }
    return PromptVersionSnapshot(prompt="p", number=number, **content)


class Library:
    """Stands for the rag floor; remembers what was looked for."""

    def __init__(self):
        self.asked = []

    async def __call__(self, corpus, query, top_k):
        self.asked.append((corpus, query, top_k))
        return f"passages about {query}"


async def _nothing_to_load(connection):
    raise AssertionError("these tests read no database")


class Exposed(list[tuple[str, str]]):
    """Stands for the table; remembers who saw what."""

    async def __call__(self, choice):
        self.append((choice.experiment, choice.variant))


def _expander(*, experiments=None, library=None, labels=None, exposed=None, **fields):
    versions = {1: _version(1, **fields), 2: _version(2, **fields)}
    labels = {"production": 1} if labels is None else labels
    prompts = PromptsSnapshot({"p": PromptSnapshot("p", versions, labels)})
    return Expander(
        prompts=Snapshot(tables=(), load=_nothing_to_load, empty=prompts),
        experiments=Snapshot(
            tables=(),
            load=_nothing_to_load,
            empty=experiments or ExperimentsSnapshot(),
        ),
        retrieve=library or Library(),
        expose=Exposed() if exposed is None else exposed,
    )


def _body(**fields):
    return {"variables": {"name": "Ada"}, **fields}


async def test_a_prompt_becomes_a_body_for_the_route():
    expanded = await _expander(parameters={"max_tokens": 9}, cache={"ttl_s": 60})(
        "prompt:p", _body(model="prompt:p", stream=True, unit="u"), "r"
    )
    assert expanded.body == {
        "model": "model-1",
        "messages": [{"role": "user", "content": "Hi Ada"}],
        "max_tokens": 9,
        "stream": True,
    }
    assert (expanded.prompt, expanded.prompt_version) == ("p", 1)
    assert (expanded.experiment, expanded.variant) == ("", "")
    assert (expanded.max_tokens, expanded.cache) == (9, {"ttl_s": 60})


async def test_the_callers_body_stays_as_it_is():
    body = _body(metadata={"variables": "{}", "trace": "1"}, messages=[])
    before = {**body, "metadata": dict(body["metadata"])}
    await _expander()("prompt:p", body, "r")
    assert body == before


async def test_variables_may_come_as_metadata():
    body = {"metadata": {"variables": '{"name": "Bo"}', "trace": "1"}}
    expanded = await _expander()("prompt:p", body, "r")
    assert expanded.body["messages"][0]["content"] == "Hi Bo"
    assert expanded.body["metadata"] == {"trace": "1"}
    body = {"metadata": {"variables": '{"name": "Bo"}'}}
    expanded = await _expander()("prompt:p", body, "r")
    assert "metadata" not in expanded.body


async def test_a_unit_stays_with_its_variant():
    expander = _expander(experiments=RUNNING)
    seen = {}
    for unit in map(str, range(50)):
        expanded = await expander("prompt:p", _body(unit=unit), "r")
        assert expanded.experiment == "tone"
        assert (expanded.variant, expanded.prompt_version) in (
            ("control", 1),
            ("short", 2),
        )
        assert expanded.body["model"] == f"model-{expanded.prompt_version}"
        seen[unit] = expanded.variant
        again = await expander("prompt:p@production", _body(unit=unit), "other")
        assert again.variant == expanded.variant
    assert set(seen.values()) == {"control", "short"}


@pytest.mark.parametrize(
    "fields", [{"unit": "u"}, {"user": "u"}, {"metadata": {"user_id": "u"}}]
)
async def test_the_unit_falls_back_to_the_user(fields):
    expander = _expander(experiments=RUNNING)
    named = await expander("prompt:p", _body(unit="u"), "r")
    for request_id in map(str, range(10)):
        expanded = await expander("prompt:p", _body(**fields), request_id)
        assert expanded.variant == named.variant


async def test_without_any_unit_each_request_is_one():
    expander = _expander(experiments=RUNNING)
    ids = map(str, range(50))
    seen = {(await expander("prompt:p", _body(), i)).variant for i in ids}
    assert seen == {"control", "short"}


async def test_a_number_bypasses_the_experiment():
    expander = _expander(experiments=RUNNING)
    for unit in map(str, range(20)):
        expanded = await expander("prompt:p@1", _body(unit=unit), "r")
        assert (expanded.prompt_version, expanded.experiment) == (1, "")


async def test_a_label_that_is_missing_is_a_mistake_even_under_test():
    with pytest.raises(DevoraError) as error:
        await _expander(experiments=RUNNING)("prompt:p@nope", _body(), "r")
    assert (error.value.status, error.value.code) == (404, "label_not_found")


async def test_a_prompt_under_test_needs_no_label():
    expander = _expander(experiments=RUNNING, labels={})
    assert (await expander("prompt:p", _body(), "r")).experiment == "tone"


async def test_a_corpus_is_asked_for_what_the_user_asks():
    library = Library()
    expander = _expander(library=library, corpus="docs", retrieval={"top_k": 3})
    expanded = await expander("prompt:p", _body(), "r")
    assert library.asked == [("docs", "Hi Ada", 3)]
    context, asked = expanded.body["messages"]
    assert "passages about Hi Ada" in context["content"]
    assert context["role"] == "user"
    assert asked["content"] == "Hi Ada"
    question = {"role": "user", "content": "Why?"}
    await expander("prompt:p", _body(messages=[question]), "r")
    assert library.asked[-1] == ("docs", "Why?", 3)


async def test_passages_go_where_the_text_says_and_nowhere_else():
    library = Library()
    text = "Read this: {{ context }}\nNow greet {{ name }}."
    expander = _expander(
        library=library, corpus="docs", messages=[{"role": "user", "content": text}]
    )
    body = _body(variables={"name": "Ada", "context": "a caller's"})
    (message,) = (await expander("prompt:p", body, "r")).body["messages"]
    query = "Read this: \nNow greet Ada."
    assert library.asked == [("docs", query, 5)]
    assert message["content"] == (f"Read this: passages about {query}\nNow greet Ada.")


async def test_a_context_that_a_version_declares_is_the_callers():
    declared = {"context": {"type": "string", "required": True}}
    text = [{"role": "user", "content": "{{ context }}?"}]
    expander = _expander(corpus="docs", messages=text, variables=declared)
    body = _body(variables={"context": "Mine"})
    passages, asked = (await expander("prompt:p", body, "r")).body["messages"]
    assert "passages about Mine?" in passages["content"]
    assert asked["content"] == "Mine?"


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"variables": []}, 400, "variables"),
        ({"variables": "x"}, 400, "variables"),
        ({"variables": {"name": 1}}, 422, "variables.name"),
        ({"variables": {}}, 422, None),
        ({"unit": 5}, 400, "unit"),
        ({"unit": ""}, 400, "unit"),
        ({"unit": "u" * 257}, 400, "unit"),
        ({"messages": "hi"}, 400, "messages"),
        ({"messages": ["hi"]}, 400, "messages"),
        ({"metadata": {"variables": {"name": "Bo"}}}, 400, "metadata.variables"),
        ({"metadata": {"variables": "{"}}, 400, "metadata.variables"),
        ({"metadata": {"variables": "[]"}}, 400, "metadata.variables"),
        ({"metadata": {"variables": '{"a":1,"a":2}'}}, 400, "metadata.variables"),
    ],
)
async def test_what_is_wrong_with_a_body_is_named(fields, status, param):
    with pytest.raises(DevoraError) as error:
        await _expander()("prompt:p", _body(**fields), "r")
    assert (error.value.status, error.value.param) == (status, param)


def test_the_way_of_a_call_needs_no_django():
    modules = (
        "prompts.rendering, prompts.runtime, prompts.preview, experiments.assignment, "
        "experiments.runtime, experiments.expansion"
    )
    code = f"import sys, {modules}; sys.exit('django' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("named", "count"),
    [({"unit": "u"}, 1), ({"user": "u"}, 1), ({}, 0), ({"model": "p@1"}, 0)],
)
async def test_a_unit_that_a_call_names_is_exposed(named, count):
    exposed = Exposed()
    expander = _expander(experiments=RUNNING, exposed=exposed)
    reference = named.pop("model", "p")
    expanded = await expander(f"prompt:{reference}", _body(**named), "request-1")
    assert exposed == [(expanded.experiment, expanded.variant)] * count
