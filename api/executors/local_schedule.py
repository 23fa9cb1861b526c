"""Which local runs work now: starts those that wait, oldest first, and takes over from what died.

A step is taken whenever the service polls, not by a thread of its own: nothing is started that nobody watches, and a
replica of the service that does not lead starts nothing.
"""

import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from api.executors.base import RunState
from api.executors.local_endings import INTERRUPTED, settled, terminated
from api.executors.local_runs import Record, Run, Spec, faults_logged, locked
from api.executors.supervisor import Plan
from worker.contract.layout import JOBS_LIFETIME

logger = logging.getLogger(__name__)

_SWEEP_EVERY = timedelta(hours=1)


class Schedule:
    """Starts supervisors for the runs below a directory. Safe for several threads and several services."""

    def __init__(self, runs: Path, *, plan: Plan, max_workers: int, environment: Mapping[str, str]) -> None:
        self._runs = runs
        self._plan = plan
        self._max_workers = max_workers
        self._environment = dict(environment)
        self._supervisors: list[subprocess.Popen[bytes]] = []
        self._ended: set[str] = set()
        self._swept_at: float | None = None

    def runs(self) -> Iterator[Run]:
        """Every run, in no order."""
        with os.scandir(self._runs) as entries:
            yield from (Run(Path(entry.path)) for entry in entries if entry.is_dir())

    def step(self) -> None:
        """Settle what ended without a word, start what may start, sweep what is old."""
        with locked(self._runs / ".schedule") as lock:
            if lock is None:  # another thread or service is at it
                return
            self._supervisors = [process for process in self._supervisors if process.poll() is None]
            waiting, working = self._look()
            for run in waiting[: max(0, self._max_workers - working)]:
                with faults_logged("start", run):
                    self._start(run)
            if self._swept_at is None or time.monotonic() - self._swept_at > _SWEEP_EVERY.total_seconds():
                self._swept_at = time.monotonic()
                self._sweep()

    def close(self) -> None:
        """Forget the supervisors, which go on."""
        for process in self._supervisors:
            # Without a code Popen warns of a child that is left alone, which is what is wanted here.
            process.returncode = process.poll() or 0
        self._supervisors.clear()

    def _look(self) -> tuple[list[Run], int]:
        """The runs that wait, oldest first, and how many have a supervisor or a worker."""
        waiting: list[tuple[Spec, Run]] = []
        working = 0
        for run in self.runs():
            if run.ref in self._ended:
                continue
            with faults_logged("look at", run):
                if (spec := run.spec()) is None:  # its submission was cut short, and the service will repeat it
                    continue
                with run.locked() as lock:
                    if lock is None:
                        working += 1
                    elif take_stock(run, attempts=self._plan.attempts).state.ended:
                        self._ended.add(run.ref)
                    else:
                        waiting.append((spec, run))
        waiting.sort(key=lambda pair: (pair[0].submitted_at, pair[1].ref))
        return [run for _, run in waiting], working

    def _start(self, run: Run) -> None:
        with run.locked() as lock:
            spec, record = run.spec(), run.record()
            if lock is None or spec is None or record.state.ended or run.stop_reason() is not None:
                return
            with (run.folder / "supervisor.log").open("ab") as output:
                # Counted before it starts: a supervisor that cannot even begin uses up its attempts like any other.
                run.save(record.begun())
                try:
                    self._supervisors.append(self._spawn(run, spec, lock, output))
                except OSError:
                    run.save(record)
                    raise
        logger.info("run started", extra={"action": "start_run", "ref": run.ref, "attempt": len(record.attempts) + 1})

    def _spawn(self, run: Run, spec: Spec, lock: int, output: BinaryIO) -> subprocess.Popen[bytes]:
        plan = replace(self._plan, argv=(*self._plan.argv, *spec.arguments))
        return subprocess.Popen(  # noqa: S603  the command is our own
            [sys.executable, "-m", "api.executors.supervisor", str(run.folder), str(lock), plan.to_json()],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=self._environment,
            pass_fds=(lock,),
            start_new_session=True,
        )

    def _sweep(self) -> None:
        """Remove the runs that ended, or never began to exist, longer ago than the archive keeps a job."""
        for run in self.runs():
            with faults_logged("sweep", run):
                age = time.time() - run.folder.stat().st_mtime  # of the last change to its record
                if age > JOBS_LIFETIME.total_seconds() and (run.record().state.ended or run.spec() is None):
                    shutil.rmtree(run.folder)
                    self._ended.discard(run.ref)


def take_stock(run: Run, *, attempts: int) -> Record:
    """The record of a run that nobody works on, set right. Only for the holder of the lock."""
    found = record = run.record()
    if record.open_attempt:
        record = settled(record, INTERRUPTED, attempts=attempts)
    if not record.state.ended and (reason := run.stop_reason()) is not None:
        record = Record(RunState.FAILED, terminated(reason), attempts=record.attempts)
    if record != found:
        run.save(record)
    return record
