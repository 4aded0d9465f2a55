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
STORM_CALLS = Promise("R1", "calls accepted in the storm", least=30_000)
UNKNOWN = Promise("R1", "unknown, of those in flight at the kills", most=1)
CLEARED = Promise("R1", "oldest hold of a dead process", "s", most=60)

FIRST_WAVE_LEAST = Promise("R2", "admitted at once, fewest", least=33)
FIRST_WAVE_MOST = Promise("R2", "admitted at once, most", most=33)
OVERSPENT = Promise("R2", "billed beyond the limit", "USD", most=0)
USED = Promise("R2", "of the limit used in the end", "%", least=97)

CLOSE_WITHIN_S = 1.0
CLOSED = Promise("R4", "closed upstream within a second", "%", least=99.9)
PARTLY_BILLED = Promise("R4", "cut streams billed in part, estimated", "%", least=100)

STOP_GRACE_S = 60.0
ENDED = Promise("R24", "open streams that end whole", "%", least=100)
STOP_REFUSES = Promise("R24", "until new calls are refused", "s", most=2)
STOPPED = Promise("R24", "until the process has ended", "s", most=STOP_GRACE_S + 10)
UNSETTLED = Promise("R24", "settlements lost", most=0)

LEAKED = Promise("R3", "still set aside", "USD", most=0)
LEASE = Promise("R3", "oldest hold", "s", most=90)

WRONG_KEYS = Promise("R15", "requests that share a key wrongly", most=0)
WRONG_HITS = Promise("R15", "answers that were another's", most=0)
CALLS_FOR_ONE = Promise("R15", "upstream calls a process for 100 alike", most=1)
