"""The most recently used values, as many as fit into a number of bytes."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")

# A place in the dict, the key, the pair and its size: what `sys.getsizeof` says of them.
OVERHEAD_BYTES = 300
_BIGGEST_SHARE = 8


class ByteLru(Generic[Value]):
    """Never holds more than max_bytes of keys, values and what keeping them takes.

    weigh: the bytes of a value. One above an eighth of the bound is not kept: it would
    push out too much that is asked for more often.
    """

    def __init__(self, max_bytes: int, *, weigh: Callable[[Value], int]) -> None:
        self._max_bytes = max_bytes
        self._weigh = weigh
        self._kept: OrderedDict[str, tuple[Value, int]] = OrderedDict()
        self.used_bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: str) -> Value | None:
        """Return a value and make it the last to go."""
        found = self._kept.get(key)
        if found is None:
            return None
        self._kept.move_to_end(key)
        return found[0]

    def put(self, key: str, value: Value) -> bool:
        """Keep a value in place of the key's old one; False when it is too big."""
        self.drop(key)
        size = len(key) + self._weigh(value) + OVERHEAD_BYTES
        if size > self._max_bytes // _BIGGEST_SHARE:
            return False
        self._kept[key] = (value, size)
        self.used_bytes += size
        while self.used_bytes > self._max_bytes:
            _, (_, freed) = self._kept.popitem(last=False)
            self.used_bytes -= freed
        return True

    def drop(self, key: str) -> None:
        """Forget a key."""
        found = self._kept.pop(key, None)
        if found is not None:
            self.used_bytes -= found[1]
