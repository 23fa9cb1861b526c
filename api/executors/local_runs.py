"""One local run on disk: what was asked, how far it is, and the lock that tells whether somebody works on it.

    <runs>/<job id>/spec.json       what was asked; written once, and it makes the run exist
                    status.json     how far it is; only the holder of the lock writes it
                    stop            there once the run is to end, with the reason
                    lock            held (flock) by the supervisor and its worker, for as long as either lives
                    attempt-1.log   what the worker wrote
                    supervisor.log  what the supervisor wrote, which is nothing unless it failed

The directory must be on a file system of this machine, because a network's may not pass the lock on.
"""

import fcntl
import json
import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from api.executors.base import Attempt, RunState
from worker.contract.exits import FailureCode

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Spec:
    """What was asked: the run's name and the worker's arguments."""

    name: str
    submitted_at: datetime
    arguments: tuple[str, ...]

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), default=str).encode()

    @classmethod
    def from_json(cls, data: bytes) -> "Spec":
        given = json.loads(data)
        return cls(given["name"], datetime.fromisoformat(given["submitted_at"]), tuple(given["arguments"]))


@dataclass(frozen=True)
class Record:
    """How far a run is. An attempt without `stopped_at` is going on, or its supervisor vanished."""

    state: RunState = RunState.SUBMITTED
    reason: str | None = None
    failure: FailureCode | None = None
    attempts: tuple[Attempt, ...] = ()

    @property
    def open_attempt(self) -> bool:
        return bool(self.attempts) and self.attempts[-1].stopped_at is None

    def begun(self) -> "Record":
        """With one more attempt, which starts now."""
        attempt = Attempt(started_at=datetime.now(UTC), stopped_at=None, exit_code=None, reason=None)
        return replace(self, state=RunState.RUNNING, reason=None, attempts=(*self.attempts, attempt))

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), default=str).encode()

    @classmethod
    def from_json(cls, data: bytes) -> "Record":
        given = json.loads(data)
        return cls(
            state=RunState(given["state"]),
            reason=given["reason"],
            failure=FailureCode(given["failure"]) if given["failure"] else None,
            attempts=tuple(
                Attempt(_time(a["started_at"]), _time(a["stopped_at"]), a["exit_code"], a["reason"])
                for a in given["attempts"]
            ),
        )


class Run:
    """A run by its directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ref = folder.name

    def create(self, spec: Spec) -> None:
        """Make the run exist, durably; nothing happens if it does already."""
        if (self.folder / "spec.json").exists():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write("spec.json", spec.to_json())
        _sync(self.folder.parent)

    def spec(self) -> Spec | None:
        """What was asked; None where there is no such run."""
        data = self._read("spec.json")
        return Spec.from_json(data) if data is not None else None

    def record(self) -> Record:
        data = self._read("status.json")
        return Record.from_json(data) if data is not None else Record()

    def save(self, record: Record) -> None:
        """Replace the record, durably. Only for the holder of the lock."""
        self._write("status.json", record.to_json())

    def request_stop(self, reason: str) -> None:
        """Leave word that the run is to end: it outlives the service, and needs no process id that may be reused."""
        self._write("stop", reason.encode())

    def stop_reason(self) -> str | None:
        data = self._read("stop")
        return data.decode() if data is not None else None

    def locked(self) -> AbstractContextManager[int | None]:
        """Hold the run's lock, if nobody does: `with run.locked() as descriptor`, None where somebody does."""
        return locked(self.folder / "lock")

    def log_name(self, attempt: int) -> str:
        """Name of the log of an attempt, the first being 1."""
        return f"attempt-{attempt}.log"

    def _read(self, name: str) -> bytes | None:
        try:
            return (self.folder / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _write(self, name: str, data: bytes) -> None:
        temporary = self.folder / f".{name}.{secrets.token_hex(4)}"
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.folder / name)
        finally:
            temporary.unlink(missing_ok=True)
        _sync(self.folder)


@contextmanager
def locked(path: Path) -> Iterator[int | None]:
    """The descriptor of an exclusive lock on the file, or None where it is held.

    The lock belongs to the open file, not to this process: a child that inherits the descriptor goes on holding it
    after it is closed here, and the system frees it when the last holder dies.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def faults_logged(action: str, run: Run) -> Iterator[None]:
    """One run that cannot be read or started spoils nothing for the others."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError):  # the disk's, or a record that somebody broke
        logger.exception("could not %s a run", action, extra={"action": f"{action}_run", "ref": run.ref})


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _sync(folder: Path) -> None:
    """Make a rename outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
