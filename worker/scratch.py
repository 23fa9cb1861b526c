"""The working folder of a run: its own for as long as it lives. What a killed run left, the next one sweeps away."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "hls-run-"
"""Of the folders that are ours to sweep: the operator may have named a directory that others use too."""


@contextmanager
def scratch_folder(parent: Path, job_id: str) -> Iterator[Path]:
    """A new folder below `parent`, gone afterwards with all that is in it. Raises `OSError` where none can be made."""
    parent.mkdir(parents=True, exist_ok=True)
    with _swept(parent):
        path = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{job_id}-", dir=parent))
        held = os.open(path, os.O_RDONLY)
        fcntl.flock(held, fcntl.LOCK_EX)  # the system frees it when this process dies, however it dies
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)  # a thread that is still at work may write into it meanwhile
        os.close(held)


def sweep(parent: Path) -> None:
    """Remove what killed runs left, where no run follows that would do so; if that cannot be, leave it."""
    with suppress(OSError), _swept(parent):
        pass


@contextmanager
def _swept(parent: Path) -> Iterator[None]:
    """Without what killed runs left. Nobody else sweeps meanwhile: a new folder is there before it is locked."""
    with _opened(parent) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for path in parent.glob(f"{_PREFIX}*"):
            with suppress(OSError), _opened(path) as descriptor:  # another user's, or held by the run that lives
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
        yield


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
