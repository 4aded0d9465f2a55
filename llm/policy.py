"""How long a route's tries may take, and what is done when one fails. Pure.

A route that says nothing has these defaults; so has a model that is asked for by name.
"""

from dataclasses import dataclass
from typing import Final

# A hold older than 630 s is settled as lost, so no try may last longer than this.
LONGEST_S: Final = 600.0
SHORTEST_S: Final = 0.1
MOST_ATTEMPTS: Final = 3
BULKHEAD_SIZE: Final = 1000
LARGEST_BULKHEAD: Final = 10_000


@dataclass(frozen=True, slots=True)
class RoutePolicy:
    """The deadlines of one try, in seconds, and the tries of a call.

    first_byte_s: of a stream; another answer may take as long as the total allows.
    allow_duplicates: ask again also where the provider may have worked, and billed.
    larger_when_too_long: ask a target with a larger context window when a provider says
    that the request is too long.
    """

    connect_s: float = 5.0
    first_byte_s: float = 60.0
    between_chunks_s: float = 120.0
    total_s: float = LONGEST_S
    max_attempts: int = MOST_ATTEMPTS
    allow_duplicates: bool = False
    larger_when_too_long: bool = False


USUAL: Final = RoutePolicy()
