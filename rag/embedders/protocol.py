"""What an embedder is, and how one says that it cannot serve."""

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from devora_ops.common.errors import Unavailable

Vector: TypeAlias = npt.NDArray[np.float32]
Matrix: TypeAlias = npt.NDArray[np.float32]


class EmbedderUnavailable(Unavailable):
    """The embedder's package or its weights are missing; the message says which."""

    code = "embedder_unavailable"


class Embedder(Protocol):
    """Turns texts into points whose cosine tells how near their meanings are."""

    @property
    def name(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    @property
    def max_tokens(self) -> int:
        """What one text may count; an embedder ignores what is beyond."""

    def count_tokens(self, text: str) -> int: ...

    def embed(self, texts: Sequence[str]) -> Matrix:
        """Return float32[len(texts), dimension], every row of unit length."""
