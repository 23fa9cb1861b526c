"""How an attempt of a local run ended, and what that makes of the run: the same rules as Batch has for its jobs."""

import signal
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from api.executors.base import RunState
from api.executors.local_runs import Record
from worker.contract import compute
from worker.contract.exits import ExitCode, FailureCode

_INTERRUPTIONS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Signals that come from outside. Any other is the worker's own crash, which a retry would only repeat."""


@dataclass(frozen=True)
class Ending:
    """How an attempt ended. `exit_code` is as in a shell: 128 and the signal's number for a signal."""

    exit_code: int | None
    reason: str
    failure: FailureCode | None = None
    retry: bool = False


INTERRUPTED = Ending(
    None,
    "its supervisor went away in the middle: the machine was restarted, or the process was killed",
    FailureCode.INTERRUPTED,
    retry=True,
)


def exited(code: int, *, out_of_memory: bool = False) -> Ending:
    """By itself, with a code as of `Popen.returncode`."""
    if code >= 0:
        return Ending(code, f"the worker exited with {code}", retry=compute.is_retried(code))
    name = signal.Signals(-code).name
    if code == -signal.SIGKILL and out_of_memory:
        reason = "the worker was killed when this machine ran out of memory"
        return Ending(128 - code, reason, FailureCode.OUT_OF_MEMORY)
    if code == -signal.SIGKILL:
        reason = f"the worker was killed ({name}): by hand, or because memory ran out"
        return Ending(128 - code, reason, FailureCode.INTERRUPTED, retry=True)
    if -code in _INTERRUPTIONS:
        return Ending(128 - code, f"the worker was stopped ({name})", FailureCode.INTERRUPTED, retry=True)
    return Ending(128 - code, f"the worker crashed ({name})")


def stopped(code: int, reason: str, *, failure: FailureCode | None = None, retry: bool = False) -> Ending:
    """By us, unless the worker was done before it heard of it."""
    ending = exited(code)
    return ending if code == ExitCode.DONE else Ending(ending.exit_code, reason, failure, retry)


def terminated(reason: str) -> str:
    """The reason of a run that was asked to end."""
    return f"terminated: {reason}"


def settled(record: Record, ending: Ending, *, attempts: int) -> Record:
    """The record after its open attempt ended: final, or waiting for the next attempt while there is one left."""
    attempt = replace(
        record.attempts[-1], stopped_at=datetime.now(UTC), exit_code=ending.exit_code, reason=ending.reason
    )
    tried = (*record.attempts[:-1], attempt)
    if ending.exit_code == ExitCode.DONE:
        return Record(RunState.SUCCEEDED, ending.reason, attempts=tried)
    if ending.retry and len(tried) < attempts:
        reason = f"attempt {len(tried)} of {attempts} ended and is followed by another: {ending.reason}"
        return Record(RunState.SUBMITTED, reason, attempts=tried)
    return Record(RunState.FAILED, ending.reason, ending.failure, tried)
