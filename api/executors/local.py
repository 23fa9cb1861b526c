"""Runs as subprocesses of this machine: a bounded number at once, which outlive the service and are found again."""

import os
import secrets
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from api.executors.base import ExecutorUnavailable, LogLine, LogPage, RunState, RunStatus, Submission
from api.executors.local_logs import read_page, read_tail
from api.executors.local_runs import Record, Run, Spec, faults_logged
from api.executors.local_schedule import Schedule, take_stock
from api.executors.supervisor import Plan
from worker.contract import compute
from worker.contract.job import RunParams

WORKER_COMMAND = (sys.executable, "-m", compute.MODULE)
GRACE = timedelta(seconds=30)  # between SIGTERM and SIGKILL, as Batch has it
BACKOFF = timedelta(seconds=10)

_SERVICE_ONLY = ("HLS_", "AWS_BATCH_")
"""Prefixes of variables that no worker is given: the service's own settings, and a Batch job that we may be in."""


class LocalExecutor:
    """Workers on this machine, with their state below a directory of a local file system.

    The ref of a run is its job id, so that a submission that is repeated finds the first. `environment` is laid over
    this process's own for the workers.
    """

    name = "local"

    def __init__(
        self,
        state_dir: Path,
        *,
        max_workers: int = 2,
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] = WORKER_COMMAND,
        timeout: timedelta = compute.TIMEOUT,
        grace: timedelta = GRACE,
        backoff: timedelta = BACKOFF,
    ) -> None:
        self._runs = state_dir.absolute() / "runs"
        self._definition = shlex.join([Path(command[0]).name, *command[1:]])
        self._plan = Plan(
            argv=tuple(command),
            attempts=compute.ATTEMPTS,
            timeout=timeout.total_seconds(),
            grace=grace.total_seconds(),
            backoff=backoff.total_seconds(),
        )
        self._schedule = Schedule(
            self._runs, plan=self._plan, max_workers=max_workers, environment=_environment(environment or {})
        )

    def submit(self, params: RunParams) -> Submission:
        name = compute.job_name(params.year_month, params.job_id)
        spec = Spec(name=name, submitted_at=datetime.now(UTC), arguments=tuple(params.to_argv()))
        with self._faults("written"):
            self._runs.mkdir(parents=True, exist_ok=True)
            Run(self._runs / params.job_id).create(spec)
        return Submission(ref=params.job_id, definition=self._definition)

    def find(self, name: str) -> Sequence[RunStatus]:
        with self._faults("read"):
            # The name ends with the job id, so that only its own directory is read.
            runs = [run for run in self._all() if name.endswith(run.ref)]
        return [status for run in runs if (status := self._status(run)) and status.name == name]

    def poll(self, refs: Sequence[str]) -> Mapping[str, RunStatus]:
        """Also starts what waits, and starts again what lost its supervisor."""
        with self._faults("written"):
            self._runs.mkdir(parents=True, exist_ok=True)
            self._schedule.step()
        runs = (self._run(ref) for ref in refs)
        return {run.ref: status for run in runs if run and (status := self._status(run))}

    def terminate(self, ref: str, reason: str) -> None:
        run = self._run(ref)
        with self._faults("written"):
            if run is None or run.spec() is None or run.record().state.ended:
                return
            run.request_stop(reason)
            with run.locked() as lock:
                if lock is not None:  # nobody works on it; otherwise its supervisor sees the word that was left
                    take_stock(run, attempts=self._plan.attempts)

    def logs(self, log_ref: str, token: str | None, limit: int) -> LogPage:
        with self._faults("read"):
            return read_page(self._runs, log_ref, token, limit)

    def tail(self, log_ref: str, limit: int) -> Sequence[LogLine]:
        with self._faults("read"):
            return read_tail(self._runs, log_ref, limit)

    def check(self) -> None:
        with self._faults("written"):
            self._runs.mkdir(parents=True, exist_ok=True)
            probe = self._runs / f".probe.{secrets.token_hex(4)}"
            try:
                probe.write_bytes(b"x")
            finally:
                probe.unlink(missing_ok=True)

    def close(self) -> None:
        self._schedule.close()

    def _all(self) -> Iterator[Run]:
        return self._schedule.runs() if self._runs.is_dir() else iter(())

    def _run(self, ref: str) -> Run | None:
        """The run, if the ref is the name of a directory and not a way to another."""
        return Run(self._runs / ref) if ref not in ("", ".", "..") and Path(ref).name == ref else None

    def _status(self, run: Run) -> RunStatus | None:
        """How far the run is; None where there is none, or nobody can tell."""
        spec = record = None
        with faults_logged("read", run):
            spec, record = run.spec(), run.record()
        if spec is None or record is None:
            return None
        ended = [attempt for attempt in record.attempts if attempt.stopped_at is not None]
        return RunStatus(
            ref=run.ref,
            name=spec.name,
            state=record.state,
            native_status=_native(record),
            reason=record.reason,
            exit_code=ended[-1].exit_code if ended else None,
            failure=record.failure,
            attempts=record.attempts,
            log_ref=f"{run.ref}/{run.log_name(len(record.attempts))}" if record.attempts else None,
            definition=self._definition,
        )

    @contextmanager
    def _faults(self, done: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ExecutorUnavailable(
                f"the directory of the local runs, {self._runs}, could not be {done}: {error.strerror or error}"
            ) from error


def _native(record: Record) -> str:
    if record.state is RunState.SUBMITTED:
        return "RETRYING" if record.attempts else "QUEUED"
    return record.state.name


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    """What the workers see, unbuffered so that a log says what happened before a crash."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(_SERVICE_ONLY)}
    return {**inherited, **given, "PYTHONUNBUFFERED": "1"}
