"""Fixtures for executors: parameters of runs, and local runs with a stand-in for the worker."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from api.executors.base import RunStatus
from api.executors.local import LocalExecutor
from worker.contract.job import RunParams

T = TypeVar("T")

STAND_IN = Path(__file__).with_name("stand_in.py")


def params_of(job_id: str, destination: str = "s3://archive") -> RunParams:
    return RunParams(year_month="202401", job_id=job_id, destination=destination, parallel=True)


def until(look: Callable[[], T | None], seconds: float = 30) -> T:
    """What the look gives, as soon as it gives something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.02)
    raise AssertionError(f"nothing within {seconds} s")


class LocalLab:
    """A directory of local runs, and what its workers are told to do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.command = (sys.executable, "-S", "-E", str(STAND_IN), str(folder))
        self.executors: list[LocalExecutor] = []

    def executor(self, *, max_workers: int = 4, timeout: float = 60, grace: float = 10) -> LocalExecutor:
        executor = LocalExecutor(
            self.state,
            max_workers=max_workers,
            command=self.command,
            timeout=timedelta(seconds=timeout),
            grace=timedelta(seconds=grace),
            backoff=timedelta(seconds=0.05),
        )
        self.executors.append(executor)
        return executor

    def order(self, job_id: str, *lines: str) -> None:
        (self.folder / f"{job_id}.orders").write_text("\n".join(lines))

    def go(self, job_id: str, exit_code: int = 0) -> None:
        temporary = self.folder / f"{job_id}.going"
        temporary.write_text(str(exit_code))
        temporary.rename(self.folder / f"{job_id}.go")

    def trace(self, job_id: str) -> list[tuple[str, int]]:
        path = self.folder / f"{job_id}.trace"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(line.split()[0], int(line.split()[1])) for line in lines]

    def worker(self, job_id: str) -> int:
        """The process id of the attempt that goes on, once it is there."""

        def look() -> int | None:
            trace = self.trace(job_id)
            return trace[-1][1] if trace and trace[-1][0] == "start" and psutil.pid_exists(trace[-1][1]) else None

        return until(look)

    def supervisors(self, job_id: str) -> list[psutil.Process]:
        return [p for p in self.processes() if "api.executors.supervisor" in _command(p) and job_id in _command(p)]

    def processes(self) -> list[psutil.Process]:
        """What runs on behalf of this directory."""
        return [p for p in psutil.process_iter() if str(self.folder) in _command(p) and p.pid != os.getpid()]

    def clean(self) -> None:
        for process in self.processes():
            process.send_signal(signal.SIGKILL)
        for executor in self.executors:
            executor.close()


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline()) if process.status() != psutil.STATUS_ZOMBIE else ""
    except psutil.Error:
        return ""


def ended(executor: LocalExecutor, ref: str) -> RunStatus:
    """The run's last word, while polling as the service does."""

    def look() -> RunStatus | None:
        status = executor.poll([ref])[ref]
        return status if status.state.ended else None

    return until(look)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[LocalLab]:
    lab = LocalLab(tmp_path)
    yield lab
    lab.clean()
