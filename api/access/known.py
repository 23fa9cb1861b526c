"""Keys and sessions that were right, by their digests."""

from collections import OrderedDict
from threading import Lock

_AT_MOST = 1024


class Known:
    """The latest of them. Safe in threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._digests: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, digest: str) -> bool:
        return digest in self._digests

    def add(self, digest: str) -> None:
        with self._lock:
            self._digests[digest] = None
            self._digests.move_to_end(digest)
            if len(self._digests) > _AT_MOST:
                self._digests.popitem(last=False)

    def discard(self, digest: str) -> None:
        with self._lock:
            self._digests.pop(digest, None)
