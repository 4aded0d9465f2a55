"""Which variant a unit sees: sticky, without a table, the same in every process."""

import hashlib
from collections.abc import Sequence
from itertools import accumulate
from typing import Protocol, TypeVar

_BITS = 64


class Weighted(Protocol):
    """A candidate with its share of the units; the shares need not add up to one."""

    @property
    def weight(self) -> int:
        """Parts of the whole, 0 for none."""


Candidate = TypeVar("Candidate", bound=Weighted)


def assign(candidates: Sequence[Candidate], *, salt: str, unit: str) -> Candidate:
    """Return the candidate that a unit sees, always the same one.

    A unit's place between 0 and 1 depends on salt and unit alone; the candidates lie
    there in order, each as long as its weight. So adding one of weight 0 moves nobody.
    Raises ValueError when no candidate has a weight.
    """
    bounds = list(accumulate(candidate.weight for candidate in candidates))
    if not bounds or bounds[-1] <= 0:
        raise ValueError("no candidate has a weight above zero")
    place = unit_hash(salt=salt, unit=unit) * bounds[-1] >> _BITS
    return next(
        candidate
        for candidate, bound in zip(candidates, bounds, strict=True)
        if place < bound
    )


def row_hash(*, salt: str, unit: str) -> int:
    """Return the same 64 bits as a bigint, which has a sign."""
    return unit_hash(salt=salt, unit=unit) - (1 << _BITS - 1)


def unit_hash(*, salt: str, unit: str) -> int:
    """Return 64 bits that stand for a unit within one experiment.

    The length keeps the border: salt `a` with unit `bc` is not salt `ab` with unit `c`.
    """
    data = f"{len(salt)}:{salt}{unit}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=_BITS // 8).digest())
