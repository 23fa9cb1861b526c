"""An object as a seekable file, read in ranges: a Parquet footer is read without the rest of its file."""

import io
from typing import TYPE_CHECKING

from storage.base import Stat, Store

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class RangedFile(io.RawIOBase):
    """Reads `stat.key`, and only while its size is `stat.size`."""

    def __init__(self, store: Store, stat: Stat) -> None:
        super().__init__()
        self._store, self._stat = store, stat
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._stat.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        length = min(len(view), self._stat.size - self._position)
        if length <= 0:
            return 0
        data = self._store.get_range(self._stat.key, self._position, length)
        view[: len(data)] = data
        self._position += len(data)
        return len(data)
