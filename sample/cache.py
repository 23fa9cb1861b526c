"""A cache of lists, bounded by their lengths together."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class ListCache(Generic[T]):
    """Keeps the lists used last, `capacity` elements in all; one longer list is kept alone."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._lists: OrderedDict[Hashable, list[T]] = OrderedDict()
        self._held = 0

    def get(self, key: Hashable, make: Callable[[], list[T]]) -> list[T]:
        if key in self._lists:
            self._lists.move_to_end(key)
            return self._lists[key]
        made = self._lists[key] = make()
        self._held += len(made)
        while self._held > self._capacity and len(self._lists) > 1:
            self._held -= len(self._lists.popitem(last=False)[1])
        return made
