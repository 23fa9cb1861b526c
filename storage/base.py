"""What a store can do, and how it fails."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol


class StorageError(Exception):
    """The archive could not be read or written."""


class NotFound(StorageError):
    """There is nothing under this key."""


class AlreadyExists(StorageError):
    """Something stands under this key already."""


class Changed(StorageError):
    """What stands under this key is not what stood there when it was looked at."""


@dataclass(frozen=True)
class Stat:
    """One object. `etag` changes whenever other content replaces it; it says nothing else."""

    key: str
    size: int
    etag: str
    modified: datetime


class Store(Protocol):
    """Objects under keys relative to a root. Every method raises `StorageError` where the storage fails."""

    uri: str
    """The root: `s3://bucket` or `file:///directory`."""

    def locate(self, key: str) -> str:
        """The URI of a key, or the path in a directory: what a reader of Parquet is given."""
        ...

    def head(self, key: str) -> Stat | None:
        """What stands under the key, or None."""
        ...

    def get(self, key: str) -> bytes:
        """The content. Raises `NotFound`."""
        ...

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """`length` bytes from `start`, fewer where the object ends. Raises `NotFound`."""
        ...

    def download(self, key: str, path: Path) -> None:
        """Write the content to a local file. Raises `NotFound`."""
        ...

    def scan(self, prefix: str = "") -> Iterator[Stat]:
        """Every object whose key begins with the prefix, in the order in which the storage lists them."""
        ...

    def top_level(self) -> list[str]:
        """The first parts of all keys that have more than one."""
        ...

    def put(self, key: str, data: bytes) -> str:
        """Write, replacing what is there; returns the etag."""
        ...

    def create(self, key: str, data: bytes) -> str:
        """Write where nothing is yet; returns the etag. Raises `AlreadyExists`."""
        ...

    def upload(self, key: str, path: Path) -> str:
        """Write a local file's content, replacing what is there; returns the etag."""
        ...

    def publish(self, key: str, path: Path, *, expected: str | None) -> str:
        """Write a local file's content if what stands there has the expected etag (None: nothing stands there).

        Readers see the old content or the new, whole. Raises `Changed`.
        """
        ...

    def delete(self, key: str) -> None:
        """Remove the object, if there is one."""
        ...

    def link(self, key: str, seconds: int) -> str | None:
        """A URL that downloads the object for so long; None where the storage has no such links."""
        ...
