"""A store that can be interfered with at any of its calls."""

from collections.abc import Callable
from typing import Any

from storage import Store

CALLS = frozenset(("head", "get", "get_range", "download", "scan", "put", "create", "upload", "publish", "delete"))
WRITES = frozenset(("put", "create", "upload", "publish", "delete"))


class Killed(BaseException):
    """The end of a process that was killed: nothing of it may handle it."""


class WatchedStore:
    """Passes every call on to `inner`, notes it, and tells `before` and `after` its number, its name and its key."""

    def __init__(
        self,
        inner: Store,
        *,
        before: Callable[[int, str, str], None] = lambda *_: None,
        after: Callable[[int, str, str], None] = lambda *_: None,
    ) -> None:
        self._inner, self._before, self._after = inner, before, after
        self.calls: list[tuple[str, str]] = []
        self.uri = inner.uri

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if name not in CALLS:
            return method

        def call(key: str = "", *rest: Any, **named: Any) -> Any:
            self.calls.append((name, key))
            number = len(self.calls)
            self._before(number, name, key)
            try:
                return method(key, *rest, **named)
            finally:
                self._after(number, name, key)

        return call

    def written(self, key: str) -> int:
        """How often the key was written, or tried to be."""
        return sum(1 for name, place in self.calls if name in WRITES and place == key)
