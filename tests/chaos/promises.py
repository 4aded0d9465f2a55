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

REVOKED_S = Promise("keys", "a revoked key is still taken", "s", most=1)

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

RETRIED_CALLS = Promise("R5", "upstream calls a call, all answers 500", most=1.13)
MOST_ATTEMPTS = Promise("R5", "attempts of one call", most=3)
THIRD_FAILS = Promise("R5", "served, 30 % answers 500, fallback well", "%", least=99.9)

USELESS_RETRIES = Promise("R6", "retries of what cannot be helped", most=0)

TOO_EARLY = Promise("R7", "asked again earlier than told", most=0)
SPREAD = Promise("R7", "spread of the waits, of the time told", "%", least=36)

SERVED_WHILE_FAILING = Promise("R8", "served while one provider fails", "%", least=99.9)
OPENED_AFTER_S = Promise("R8", "from the first failure to an open breaker", "s", most=2)
OPENED_AFTER = Promise("R8", "failures until it opened, each process", most=5)
HEARD_AFTER_S = Promise("R8", "until no process asks it any more", "s", most=1)
WASTED = Promise("R8", "calls wasted while it is open", "%", most=1)
PROBES = Promise("R8", "probes in 5 s, each process", most=1)
AT_ONCE = Promise("R8", "probes at once, each process", most=1)
RECOVERED_S = Promise("R8", "from its recovery to its first call", "s", most=10)
SHARE = Promise("R8", "its share 15 s after its recovery", "%", least=40, most=60)
OPENED_BY_CALLERS = Promise("R8", "calls not passed on after callers' errors", most=0)

FAILED_OF_10_000 = Promise("R9", "failed of 10,000, one of two dead", most=1)
FALLBACK_MS = Promise("R9", "added to the median once it is open", "ms", most=50)
WRONG_NAMES = Promise("R9", "answers that name another model", most=0)
WRONG_PRICES = Promise("R9", "calls at another model's price", most=0)

HELD_UP = Promise("R10", "added to the others' p99 by one that hangs", "%", most=20)
BUSY_MS = Promise("R10", "until one too many is told so, p99", "ms", most=50)
QUEUED = Promise("R10", "calls beyond the bulkhead that reached it", most=0)

CUT_STREAMS = Promise("R20", "streams that pieces changed", most=0)
KEEP_ALIVE_S = Promise("R20", "longest silence a client hears", "s", most=15.5)

WITHOUT_REDIS = Promise("R11", "calls that failed for want of Redis", most=0)
OFF_BUDGET = Promise("R11", "spent beyond what was billed", "USD", most=0)
OVER_LIMIT = Promise("R11", "admitted in a minute, of the limit", most=1.25)
LOGGED = Promise("R11", "logged a call", "bytes", most=1024)
MEMORY = Promise("R11", "memory, of what it was", most=1.2)
CPU = Promise("R11", "CPU a call, of what it was", most=1.3)
SLOWER_MS = Promise("R11", "added to p99 after two seconds", "ms", most=100)
NORMAL_S = Promise("R11", "from its return to normal", "s", most=5)

REFUSED_S = Promise("R12", "until a new call is refused, the longest", "s", most=2)
UNKIND = Promise("R12", "answers but 200 and 503 with Retry-After", most=0)
STRANGERS = Promise("R12", "calls with a bad key that left", most=0)
CUT_OFF = Promise("R12", "streams under way that were cut off", most=0)
LANDED_S = Promise("R12", "from its return to the last settlement", "s", most=10)
LOST_THEN = Promise("R12", "accepted calls without a row", most=0)
RESTARTED = Promise("R12", "processes that ended", most=0)

GOODPUT = Promise(
    "R13", "served at three times the capacity, of the peak", "%", least=80
)
SHED_MS = Promise("R13", "until a call is turned away, p99", "ms", most=100)
SHED_MEDIAN_MS = Promise("R13", "until a call is turned away, median", "ms", most=100)
LOGIN_S = Promise("R13", "the login page meanwhile, the slowest", "s", most=1)
OVERLOAD_MEMORY = Promise("R13", "memory, of what it was at the peak", most=1.2)

UNAFFECTED = Promise("R14", "calls that slow clients did not slow down", "%", least=99)
SHOWN_OUT_S = Promise("R14", "until a half-open connection is closed", "s", most=15)
SLOW_MEMORY = Promise("R14", "memory, of what it was", most=1.2)
