"""The seam between the service and whatever runs a worker: AWS Batch, or subprocesses on this machine."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from worker.contract.exits import FailureCode

if TYPE_CHECKING:
    # pydantic costs a quarter of a second and 20 MB, which the supervisor of each local run need not pay.
    from worker.contract.job import RunParams


_UNPRINTABLE = re.compile("[\x00\ud800-\udfff]")


class ExecutorError(Exception):
    """The executor failed."""


class Throttled(ExecutorError):
    """The executor asks to be called less often; nothing was submitted."""


class SubmissionUncertain(ExecutorError):
    """The submission may or may not have arrived: look it up by name before sending it again."""


class SubmissionRefused(ExecutorError):
    """The executor will never take this submission as it is."""


class ExecutorUnavailable(ExecutorError):
    """The executor cannot be reached; nothing was submitted."""


class RunState(StrEnum):
    """Where a run is, in our words. A retry by the executor may lead from RUNNING back to SUBMITTED."""

    SUBMITTED = "submitted"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        return self in (RunState.SUCCEEDED, RunState.FAILED)


def printable(text: str) -> str:
    """The text with a mark for what no database and no reply can hold: NULs, and halves of characters."""
    return _UNPRINTABLE.sub("\ufffd", text)


def _cleaned(of: object, field: str) -> None:
    """Clean a field of a frozen object; None stays."""
    if (text := getattr(of, field)) is not None:
        object.__setattr__(of, field, printable(text))


@dataclass(frozen=True)
class Attempt:
    """One attempt of a run, as the executor tells it."""

    started_at: datetime | None
    stopped_at: datetime | None
    exit_code: int | None
    reason: str | None

    def __post_init__(self) -> None:
        _cleaned(self, "reason")


@dataclass(frozen=True)
class Submission:
    """What a submission gave: the executor's id, and the pinned definition that it runs with."""

    ref: str
    definition: str


@dataclass(frozen=True)
class RunStatus:
    """A run as its executor sees it now."""

    ref: str
    name: str
    state: RunState
    native_status: str
    """The executor's own word for the state, such as RUNNABLE."""
    reason: str | None = None
    """The executor's own reason, as it gives it."""
    exit_code: int | None = None
    """Of the last attempt that ended."""
    failure: FailureCode | None = None
    """What the executor itself knows of a failure: OUT_OF_MEMORY, TIMEOUT, INTERRUPTED, IMAGE, CAPACITY, LOST."""
    ended_by_hand: bool = False
    """Somebody asked the executor to end it, whether the service or another."""
    attempts: tuple[Attempt, ...] = ()
    log_ref: str | None = None
    """Where the executor keeps the log of the last attempt."""
    definition: str | None = None

    def __post_init__(self) -> None:
        _cleaned(self, "reason")


@dataclass(frozen=True)
class LogLine:
    """One line of a run's log."""

    at: datetime | None
    text: str

    def __post_init__(self) -> None:
        _cleaned(self, "text")


@dataclass(frozen=True)
class LogPage:
    """Some lines in order, and the token for those that follow; None when there is nothing more for now."""

    lines: tuple[LogLine, ...]
    next_token: str | None


class Executor(Protocol):
    """Every method may raise `ExecutorUnavailable`. Implementations are safe to call from several threads."""

    name: str

    def submit(self, params: "RunParams") -> Submission:
        """Start a run under the name `compute.job_name(...)`, once.

        Raises:
            Throttled, SubmissionUncertain, SubmissionRefused
        """
        ...

    def find(self, name: str) -> Sequence[RunStatus]:
        """Every run with exactly this name, oldest first."""
        ...

    def poll(self, refs: Sequence[str]) -> Mapping[str, RunStatus]:
        """The runs by ref. One that the executor does not know is absent."""
        ...

    def terminate(self, ref: str, reason: str) -> None:
        """Ask the run to stop, whatever state it is in; no fault if it has ended or is not known."""
        ...

    def logs(self, log_ref: str, token: str | None, limit: int) -> LogPage:
        """A page of a run's log, from its beginning where no token is given.

        Raises:
            ValueError: the token is none of this log's.
        """
        ...

    def tail(self, log_ref: str, limit: int) -> Sequence[LogLine]:
        """The last lines of a run's log."""
        ...

    def check(self) -> None:
        """Return if runs can be submitted now, else raise `ExecutorUnavailable` with the reason."""
        ...

    def close(self) -> None:
        """Release what the executor holds in this process; runs go on."""
        ...
