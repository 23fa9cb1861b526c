"""Keys and sessions that were right, by their digests."""

import time
from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock

from api.access.scopes import Scope

_AT_MOST = 1024


@dataclass(frozen=True)
class Caller:
    """Who asks, and what it may do."""

    name: str
    scope: Scope
    key_id: str | None = None
    csrf_token: str | None = field(default=None, repr=False)
    """Only of a caller that came by cookie: what it must send along with every change."""

    @property
    def actor(self) -> str:
        """The name that jobs and events record."""
        return f"{self.name} ({self.key_id})" if self.key_id not in (None, self.name) else self.name


class Known:
    """The latest of them, with whom they stand for. Safe in threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._callers: OrderedDict[str, tuple[Caller, float]] = OrderedDict()

    def __contains__(self, digest: str) -> bool:
        return digest in self._callers

    def add(self, digest: str, caller: Caller) -> None:
        with self._lock:
            self._callers[digest] = caller, time.monotonic()
            self._callers.move_to_end(digest)
            if len(self._callers) > _AT_MOST:
                self._callers.popitem(last=False)

    def discard(self, digest: str) -> None:
        with self._lock:
            self._callers.pop(digest, None)

    def recall(self, digest: str, *, within: float) -> Caller | None:
        """Whom it stood for so many seconds ago at most."""
        found = self._callers.get(digest)
        return found[0] if found and time.monotonic() - found[1] <= within else None
