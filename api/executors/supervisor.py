"""Drives one local run: starts its worker, limits its time, tries again, and writes down how it ended.

`python -m api.executors.supervisor RUN_DIRECTORY LOCK_DESCRIPTOR PLAN`, started by the local executor in a session of
its own, so that it outlives the service. It inherits the run's lock from who starts it and passes it on to the
worker: at no moment is the lock free while somebody may still be working.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from api.executors.base import RunState
from api.executors.local_endings import Ending, exited, settled, stopped, terminated
from api.executors.local_runs import Record, Run
from worker.contract.exits import FailureCode

_POLL_SECONDS = 0.2
_SAVE_AGAIN_SECONDS = 1.0
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Plan:
    """How a run is driven; times in seconds."""

    argv: tuple[str, ...]
    attempts: int
    timeout: float
    grace: float
    backoff: float

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        given = json.loads(text)
        return cls(**{**given, "argv": tuple(given["argv"])})


class Supervisor:
    """Drives a run whose attempt has been begun by the holder of the lock."""

    def __init__(self, run: Run, lock: int, plan: Plan) -> None:
        self._run = run
        self._lock = lock
        self._plan = plan
        self._leaving = False

    def drive(self) -> None:
        """Work until the run has ended, or this machine shuts down: then the next service goes on with it."""
        signal.signal(signal.SIGTERM, self._leave)
        while True:
            record = settled(self._run.record(), self._attempt(), attempts=self._plan.attempts)
            if not self._save(record) or record.state.ended or not self._pause():
                return
            if (reason := self._run.stop_reason()) is not None:
                self._save(Record(RunState.FAILED, terminated(reason), attempts=record.attempts))
                return
            if not self._save(record.begun()):
                return

    def _save(self, record: Record) -> bool:
        """Save the record once there is room for it: what nobody wrote down would pass for an interruption. False if
        this machine shuts down first."""
        while True:
            try:
                self._run.save(record)
            except OSError:
                if self._leaving:
                    return False
                time.sleep(_SAVE_AGAIN_SECONDS)
            else:
                return True

    def _leave(self, *_: object) -> None:
        self._leaving = True

    def _attempt(self) -> Ending:
        kills = _memory_kills()
        try:
            log = self._open_log()
        except OSError as error:
            return Ending(None, f"the worker's log could not be opened: {error}", FailureCode.STORAGE)
        with log:
            try:
                worker = self._start(log)
            except OSError as error:
                return Ending(None, f"the worker could not be started: {error}", FailureCode.IMAGE)
        deadline = time.monotonic() + self._plan.timeout
        while True:
            try:
                return exited(worker.wait(_POLL_SECONDS), out_of_memory=_memory_kills() > kills)
            except subprocess.TimeoutExpired:
                pass
            if (reason := self._run.stop_reason()) is not None:
                return stopped(self._stop(worker), terminated(reason))
            if self._leaving:
                reason = "this machine is shutting down"
                return stopped(self._stop(worker), reason, failure=FailureCode.INTERRUPTED, retry=True)
            if time.monotonic() > deadline:
                reason = f"the attempt took longer than {self._plan.timeout:g} seconds"
                return stopped(self._stop(worker), reason, failure=FailureCode.TIMEOUT)

    def _open_log(self) -> BinaryIO:
        return (self._run.folder / self._run.log_name(len(self._run.record().attempts))).open("ab")

    def _start(self, output: BinaryIO) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603  the command is the service's own
            self._plan.argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=(self._lock,),
            process_group=0,
            preexec_fn=_die_with_parent(),
        )

    def _stop(self, worker: subprocess.Popen[bytes]) -> int:
        """Ask the worker to end, then end it with all that it started; returns its code."""
        worker.terminate()
        try:
            return worker.wait(self._plan.grace)
        except subprocess.TimeoutExpired:
            os.killpg(worker.pid, signal.SIGKILL)
            return worker.wait()

    def _pause(self) -> bool:
        """Wait before the next attempt; False if there is to be none now."""
        end = time.monotonic() + self._plan.backoff
        while time.monotonic() < end and not self._leaving and self._run.stop_reason() is None:
            time.sleep(min(_POLL_SECONDS, self._plan.backoff))
        return not self._leaving


def _die_with_parent() -> Callable[[], None] | None:
    """Has the kernel kill the worker when its supervisor is killed. Elsewhere than on Linux only the lock guards."""
    if sys.platform != "linux":
        return None
    parent, prctl = os.getpid(), ctypes.CDLL(None).prctl

    def hook() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the kernel was asked
            os._exit(128 + signal.SIGKILL)

    return hook


def _memory_kills() -> int:
    """How many processes this machine's kernel has killed for want of memory; 0 where it does not say."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


if __name__ == "__main__":
    folder, lock, plan = sys.argv[1:]
    Supervisor(Run(Path(folder)), int(lock), Plan.from_json(plan)).drive()
