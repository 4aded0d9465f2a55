"""A bulkhead: one slow provider must not take every connection of a process."""

from collections import Counter


class Bulkhead:
    """Counts the calls under way by provider; nobody queues, who is too many is told."""

    def __init__(self) -> None:
        self._under_way: Counter[str] = Counter()

    def enter(self, provider: str, *, most: int) -> bool:
        """Take a place; False when there is none."""
        if self._under_way[provider] >= most:
            return False
        self._under_way[provider] += 1
        return True

    def leave(self, provider: str) -> None:
        """Give a place back."""
        self._under_way[provider] -= 1
