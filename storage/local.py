"""A directory as the store: exclusive create by link, replacement by rename under a lock."""

import fcntl
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from storage.base import AlreadyExists, Changed, NotFound, Stat, StorageError

_TEMPORARY = ".tmp"
_LOCKS = ".locks"
_ORPHAN_SECONDS = 24 * 3600
_CHUNK = 1 << 20

_Writer = Callable[[BinaryIO], object]
"""Fills an open file."""


class LocalStore:
    """Objects are files below a directory; hidden names at its root are the store's own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.uri = root.as_uri()

    def locate(self, key: str) -> str:
        return str(self._path(key))

    def head(self, key: str) -> Stat | None:
        path = self._path(key)
        with _faults(f"look at {path}"):
            try:
                status = path.stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
            return _stat(key, status) if path.is_file() else None

    def get(self, key: str) -> bytes:
        with _faults(f"read {key}"), self._open(key) as file:
            return file.read()

    def get_range(self, key: str, start: int, length: int) -> bytes:
        with _faults(f"read {key}"), self._open(key) as file:
            file.seek(start)
            return file.read(length)

    def download(self, key: str, path: Path) -> None:
        with _faults(f"copy {key} to {path}"), self._open(key) as source, path.open("wb") as target:
            shutil.copyfileobj(source, target, length=_CHUNK)

    def scan(self, prefix: str = "") -> Iterator[Stat]:
        # Only the deepest directory that the prefix names is walked, not the whole root.
        start = self._path(prefix.rpartition("/")[0]) if "/" in prefix else self.root
        with _faults(f"list {start}"):
            found = []
            for directory, folders, names in os.walk(start, onerror=_raise_unless_missing):
                here = Path(directory)
                folders[:] = [name for name in folders if not name.startswith(".")]
                for name in names:
                    key = (here / name).relative_to(self.root).as_posix()
                    if not name.startswith(".") and key.startswith(prefix):
                        with suppress(FileNotFoundError):  # removed since the walk saw it
                            found.append(_stat(key, (here / name).stat()))
        yield from sorted(found, key=lambda stat: stat.key)

    def top_level(self) -> list[str]:
        with _faults(f"list {self.root}"):
            try:
                entries = list(os.scandir(self.root))
            except FileNotFoundError:
                return []
            return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))

    def put(self, key: str, data: bytes) -> str:
        return self._replace(key, lambda file: file.write(data))

    def upload(self, key: str, path: Path) -> str:
        return self._replace(key, lambda file: _copy(path, file))

    def create(self, key: str, data: bytes) -> str:
        path = self._path(key)
        with _faults(f"write {path}"), self._temporary(lambda file: file.write(data)) as temporary:
            path.parent.mkdir(parents=True, exist_ok=True)
            etag = _etag(temporary.stat())
            try:
                os.link(temporary, path)  # shows the file only with its whole content
            except FileExistsError as error:
                raise AlreadyExists(f"{path} exists already") from error
            _sync(path.parent)
            return etag

    def publish(self, key: str, path: Path, *, expected: str | None) -> str:
        target = self._path(key)
        with _faults(f"write {target}"), self._temporary(lambda file: _copy(path, file)) as temporary:
            target.parent.mkdir(parents=True, exist_ok=True)
            etag = _etag(temporary.stat())
            with self._lock(key):
                present = self.head(key)
                if (present.etag if present else None) != expected:
                    raise Changed(f"{target} was written by another run since this one began")
                temporary.replace(target)
                _sync(target.parent)
                return etag

    def delete(self, key: str) -> None:
        with _faults(f"remove {key}"):
            self._path(key).unlink(missing_ok=True)

    def delete_folder(self, key: str) -> None:
        """Remove a directory with all that is in it. Only here: a bucket expires what is old by a rule of its own."""
        with _faults(f"remove {key}"):
            shutil.rmtree(self._path(key))

    def link(self, key: str, seconds: int) -> str | None:  # noqa: ARG002  the interface has it
        return None

    def _path(self, key: str) -> Path:
        if key.startswith("/") or any(part == ".." for part in key.split("/")):
            raise StorageError(f"the key {key!r} leads out of the archive")
        return self.root / key

    def _open(self, key: str) -> BinaryIO:
        try:
            return self._path(key).open("rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise NotFound(f"could not read {key} in {self.uri}: it does not exist") from error

    def _replace(self, key: str, write: _Writer) -> str:
        path = self._path(key)
        with _faults(f"write {path}"), self._temporary(write) as temporary:
            path.parent.mkdir(parents=True, exist_ok=True)
            etag = _etag(temporary.stat())  # looked at later, it could be that of another writer's file
            temporary.replace(path)
            return etag

    @contextmanager
    def _temporary(self, write: _Writer) -> Iterator[Path]:
        """A finished file on the archive's own file system, gone afterwards unless it was renamed."""
        folder = self.root / _TEMPORARY
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        path = folder / secrets.token_hex(8)
        try:
            with path.open("xb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            yield path
        finally:
            path.unlink(missing_ok=True)

    @contextmanager
    def _lock(self, key: str) -> Iterator[None]:
        """Held by one process at a time for each key; the system frees it when its holder dies."""
        folder = self.root / _LOCKS
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / hashlib.sha256(key.encode()).hexdigest()[:32]).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _copy(path: Path, file: BinaryIO) -> None:
    with path.open("rb") as source:
        shutil.copyfileobj(source, file, length=_CHUNK)


def _sync(folder: Path) -> None:
    """Make a rename outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sweep(folder: Path) -> None:
    """Remove what killed processes left behind."""
    for entry in os.scandir(folder):
        with suppress(FileNotFoundError):
            if time.time() - entry.stat().st_mtime > _ORPHAN_SECONDS:
                Path(entry.path).unlink()


def _stat(key: str, status: os.stat_result) -> Stat:
    return Stat(key, status.st_size, _etag(status), datetime.fromtimestamp(status.st_mtime, UTC))


def _etag(status: os.stat_result) -> str:
    return f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"


def _raise_unless_missing(error: OSError) -> None:
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
        raise error


@contextmanager
def _faults(action: str) -> Iterator[None]:
    """Say in the store's own terms what the system refused."""
    try:
        yield
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        raise StorageError(f"could not {action}: {error.strerror or error}{place}") from error
