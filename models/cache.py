"""Tensors that may be wanted again, kept while there is room: the last used stay."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class BoundedCache(Generic[Value]):
    """A mapping bounded in bytes; a value that is larger than all the room is not kept."""

    def __init__(self, size_of: Callable[[Value], int], max_bytes: int) -> None:
        self._size_of = size_of
        self._max_bytes = max_bytes
        self._values: OrderedDict[Hashable, Value] = OrderedDict()
        self.num_bytes = 0

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value kept under the key, or else a new one."""
        if key in self._values:
            self._values.move_to_end(key)
            return self._values[key]
        value = make()
        self._values[key] = value
        self.num_bytes += self._size_of(value)
        while self.num_bytes > self._max_bytes:
            _, dropped = self._values.popitem(last=False)
            self.num_bytes -= self._size_of(dropped)
        return value
