"""Counting tokens offline, with the rank files that the product carries.

Exact for OpenAI's models; for others an estimate, and flagged as one where it is used.
"""

import gzip
import hashlib
import os
import tempfile
import threading
from functools import cache
from pathlib import Path

import tiktoken

_DATA = Path(__file__).parent / "data" / "encodings"
_ADDRESS = "https://openaipublic.blob.core.windows.net/encodings/{}.tiktoken"
_DEFAULT = "o200k_base"
# Where tiktoken looks for ranks is an environment variable, and all threads' own.
_LOADING = threading.Lock()


def encoding(name: str = _DEFAULT) -> tiktoken.Encoding:
    """Return an encoding without asking the network for its ranks.

    The first time takes a quarter of a second: load it in a thread, before it is needed.
    """
    with _LOADING:
        return _load(name)


@cache
def _load(name: str) -> tiktoken.Encoding:
    with tempfile.TemporaryDirectory(prefix="devora-ranks-") as folder:
        # tiktoken looks for a file named by the SHA-1 of the address it would ask.
        key = hashlib.sha1(_ADDRESS.format(name).encode(), usedforsecurity=False)
        ranks = gzip.decompress((_DATA / f"{name}.tiktoken.gz").read_bytes())
        (Path(folder) / key.hexdigest()).write_bytes(ranks)
        before = os.environ.get("TIKTOKEN_CACHE_DIR")
        os.environ["TIKTOKEN_CACHE_DIR"] = folder
        try:
            return tiktoken.get_encoding(name)
        finally:
            os.environ.pop("TIKTOKEN_CACHE_DIR")
            if before is not None:
                os.environ["TIKTOKEN_CACHE_DIR"] = before


def encoding_for(model: str) -> tiktoken.Encoding:
    """Return the encoding of a `provider/name`, o200k when it is not known."""
    name = model.rpartition("/")[2]
    return encoding(
        "cl100k_base" if name.startswith(("gpt-4-", "gpt-3.5")) else _DEFAULT
    )


# Longer texts are not counted but bounded: counting holds up everybody else.
_MOST_COUNTED = 64 * 1024
# Other tokenizers, and what each message is wrapped in.
_MARGIN, _WRAPPING = 1.3, 16


def at_most(text: str, *, model: str) -> int:
    """Return a number of tokens that a text hardly exceeds, in any model."""
    if not text:
        return 0
    if len(text) > _MOST_COUNTED:
        return len(text.encode()) // 2
    return int(count(text, model=model) * _MARGIN) + _WRAPPING


def count(text: str, *, model: str) -> int:
    """Count the tokens of a text as a model would see it."""
    return len(encoding_for(model).encode_ordinary(text))
