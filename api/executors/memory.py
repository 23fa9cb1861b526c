"""The executor that ships with the seam for tests: runs that are moved along by hand, and faults on order.

It behaves like Batch where Batch is awkward: a submission that is repeated is a second run, a reply may be lost, a
new run may not be found at once, and a run may be forgotten.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from threading import RLock

from api.executors.base import (
    Attempt,
    ExecutorUnavailable,
    LogLine,
    LogPage,
    RunState,
    RunStatus,
    Submission,
    SubmissionRefused,
    SubmissionUncertain,
    Throttled,
)
from worker.contract import compute
from worker.contract.exits import ExitCode, FailureCode
from worker.contract.job import RunParams

DEFINITION = "memory:1"
_TOKEN = re.compile("[0-9]{1,18}")


class MemoryExecutor:
    """Runs in this process's memory. `submitted` has the parameters by ref, `terminated` the reasons."""

    name = "memory"

    def __init__(self) -> None:
        self.submitted: dict[str, RunParams] = {}
        self.terminated: dict[str, str] = {}
        self.outage: str | None = None
        """While set, every call fails with `ExecutorUnavailable` and this reason."""
        self._runs: dict[str, RunStatus] = {}
        self._logs: defaultdict[str, list[LogLine]] = defaultdict(list)
        self._faults: Counter[str] = Counter()
        self._hidden: dict[str, int] = {}
        self._lag = 0
        self._lock = RLock()

    # Faults on order

    def throttle(self, times: int = 1) -> None:
        """The next submissions are not taken, with `Throttled`."""
        self._faults["throttle"] += times

    def refuse(self, times: int = 1) -> None:
        """The next submissions are not taken, with `SubmissionRefused`."""
        self._faults["refuse"] += times

    def lose_submissions(self, times: int = 1) -> None:
        """The next submissions are lost on their way, with `SubmissionUncertain`."""
        self._faults["lose"] += times

    def lose_replies(self, times: int = 1) -> None:
        """The next submissions are taken, but answered with `SubmissionUncertain`."""
        self._faults["reply"] += times

    def lag(self, finds: int) -> None:
        """A run submitted from now on stays hidden from so many calls of `find`."""
        self._lag = finds

    # Moving a run along

    def start(self, ref: str) -> None:
        """Begin the next attempt."""
        with self._lock:
            attempt = Attempt(started_at=datetime.now(UTC), stopped_at=None, exit_code=None, reason=None)
            attempts = (*self._runs[ref].attempts, attempt)
            log_ref = f"{ref}/{len(attempts)}"
            self._move(ref, RunState.RUNNING, attempts=attempts, reason=None, log_ref=log_ref)

    def succeed(self, ref: str) -> None:
        self._end(ref, RunState.SUCCEEDED, ExitCode.DONE, None)

    def fail(
        self, ref: str, exit_code: int | None = 1, *, reason: str | None = None, failure: FailureCode | None = None
    ) -> None:
        self._end(ref, RunState.FAILED, exit_code, reason, failure)

    def interrupt(self, ref: str, exit_code: int | None = ExitCode.INTERRUPTED, *, reason: str | None = None) -> None:
        """End the attempt, and let the run wait for another."""
        self._end(ref, RunState.SUBMITTED, exit_code, reason)

    def vanish(self, ref: str) -> None:
        """Forget the run."""
        with self._lock:
            del self._runs[ref]

    def log(self, ref: str, *texts: str) -> None:
        """Add lines to the log of the run's last attempt."""
        with self._lock:
            log_ref = self._runs[ref].log_ref or f"{ref}/0"
            self._logs[log_ref] += [LogLine(datetime.now(UTC), text) for text in texts]

    # The seam

    def submit(self, params: RunParams) -> Submission:
        with self._lock:
            self._reach()
            if self._due("throttle"):
                raise Throttled("too many requests, as ordered")
            if self._due("refuse"):
                raise SubmissionRefused("refused, as ordered")
            if self._due("lose"):
                raise SubmissionUncertain("no reply, as ordered")
            ref = f"run-{len(self.submitted) + 1}"
            name = compute.job_name(params.year_month, params.job_id)
            self.submitted[ref] = params
            self._hidden[ref] = self._lag
            self._runs[ref] = RunStatus(ref, name, RunState.SUBMITTED, "QUEUED", definition=DEFINITION)
            if self._due("reply"):
                raise SubmissionUncertain("no reply, as ordered")
            return Submission(ref, DEFINITION)

    def find(self, name: str) -> Sequence[RunStatus]:
        with self._lock:
            self._reach()
            found = []
            for run in self._runs.values():
                if run.name == name and self._hidden[run.ref] > 0:
                    self._hidden[run.ref] -= 1
                elif run.name == name:
                    found.append(run)
            return found

    def poll(self, refs: Sequence[str]) -> Mapping[str, RunStatus]:
        with self._lock:
            self._reach()
            return {ref: self._runs[ref] for ref in refs if ref in self._runs}

    def terminate(self, ref: str, reason: str) -> None:
        with self._lock:
            self._reach()
            if ref in self._runs and not self._runs[ref].state.ended:
                self.terminated[ref] = reason
                exit_code = ExitCode.INTERRUPTED if self._runs[ref].state is RunState.RUNNING else None
                self.fail(ref, exit_code, reason=f"terminated: {reason}")

    def logs(self, log_ref: str, token: str | None, limit: int) -> LogPage:
        with self._lock:
            self._reach()
            if token is not None and not _TOKEN.fullmatch(token):
                raise ValueError(f"{token!r} is not a token of a page of this log")
            start, lines = int(token or 0), self._logs[log_ref]
            end = start + limit
            return LogPage(tuple(lines[start:end]), str(end) if end < len(lines) else None)

    def tail(self, log_ref: str, limit: int) -> Sequence[LogLine]:
        with self._lock:
            self._reach()
            return tuple(self._logs[log_ref][-limit:])

    def check(self) -> None:
        self._reach()

    def close(self) -> None:
        """Nothing is held."""

    def _reach(self) -> None:
        if self.outage is not None:
            raise ExecutorUnavailable(self.outage)

    def _due(self, fault: str) -> bool:
        due = self._faults[fault] > 0
        self._faults[fault] -= due
        return due

    def _end(
        self,
        ref: str,
        state: RunState,
        exit_code: int | None,
        reason: str | None,
        failure: FailureCode | None = None,
    ) -> None:
        """Close the attempt that is going on, if one is."""
        with self._lock:
            attempts = self._runs[ref].attempts
            if attempts and attempts[-1].stopped_at is None:
                last = replace(attempts[-1], stopped_at=datetime.now(UTC), exit_code=exit_code, reason=reason)
                attempts = (*attempts[:-1], last)
            self._move(ref, state, attempts=attempts, exit_code=exit_code, reason=reason, failure=failure)

    def _move(self, ref: str, state: RunState, **changes: object) -> None:
        native = "QUEUED" if state is RunState.SUBMITTED else state.name
        self._runs[ref] = replace(self._runs[ref], state=state, native_status=native, **changes)  # type: ignore[arg-type]  # fields of the run
