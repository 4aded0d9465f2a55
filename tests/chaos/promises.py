"""What is promised, as numbers: every threshold of the long forms, in one place.

The names are those of the promises they belong to; a figure is printed beside its own.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Promise:
    """A figure's bar: at most, or at least; where both are given, between them."""

    name: str
    what: str
    unit: str = ""
    most: float | None = None
    least: float | None = None

    def is_kept_by(self, value: float) -> bool:
        """Say whether a measured value keeps it; not a number keeps nothing."""
        low = float("-inf") if self.least is None else self.least
        high = float("inf") if self.most is None else self.most
        return low <= value <= high

    @property
    def bar(self) -> str:
        """The bar in signs."""
        if self.most == self.least:
            return f"= {self.most:g}"
        parts = (("≥", self.least), ("≤", self.most))
        return ", ".join(f"{sign} {bar:g}" for sign, bar in parts if bar is not None)


LOST = Promise("R1", "accepted calls without a row", most=0)
DOUBLE = Promise("R1", "calls sent or booked twice", most=0)
