"""A machine for moto's Batch where there is no container engine: each job's real command, as a subprocess."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from worker.contract import compute

if TYPE_CHECKING:  # moto takes a second to import, and is not for whoever only collects tests
    from moto.batch.models import Job
    from moto.batch_simple.models import BatchSimpleBackend

GRACE_SECONDS = 30
POLL_SECONDS = 0.02


class Machine:
    """Runs the jobs of this process's moto and moves their state along, with Batch's rules for attempts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._threads: list[threading.Thread] = []
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        """The last process of each job, by Batch's id."""

    def taking(self) -> "Callable[[BatchSimpleBackend, bool, Job], None]":
        """Takes the place of moto's `_mark_job_as_finished`, which runs nothing."""

        def take(backend: "BatchSimpleBackend", include_start_attempt: bool, job: "Job") -> None:
            backend.backend._jobs[job.job_id] = job
            job.status = "RUNNABLE"
            thread = threading.Thread(target=self._run, args=(job,), name=job.job_name)
            self._threads.append(thread)
            thread.start()

        return take

    def close(self) -> None:
        for process in self.processes.values():
            process.kill()
        for thread in self._threads:
            thread.join()

    def _run(self, job: "Job") -> None:
        strategy: dict[str, Any] = job.job_definition.retry_strategy
        for left in reversed(range(int(strategy["attempts"]))):
            code = 1 if job.stop else self._attempt(job)
            if code == 0 or job.stop or not left or not _retried(strategy, code):
                break
            job.status = "RUNNABLE"
        _end(job, code)

    def _attempt(self, job: "Job") -> int:
        job.status = "STARTING"
        job.job_started_at = datetime.now()  # noqa: DTZ005  as moto has it
        job.log_stream_name = job._stream_name
        job._start_attempt()
        command = job._add_parameters_to_command(job._get_container_property("command", []))
        given = {entry["name"]: entry["value"] for entry in job._get_container_property("environment", [])}
        log = self._folder / f"{job.job_id}-{len(job.attempts)}.log"
        with log.open("wb") as output:
            process = self.processes[job.job_id] = subprocess.Popen(
                [sys.executable, "-m", compute.MODULE, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                env={"PATH": os.environ["PATH"], **given},
            )
        job.status = "RUNNING"
        code = _watched(job, process)
        _keep_log(job, log)
        job.job_stopped_at = datetime.now()  # noqa: DTZ005  as moto has it
        job._stop_attempt()
        job.attempts[-1]["container"]["exitCode"] = code
        return code


def _watched(job: "Job", process: "subprocess.Popen[bytes]") -> int:
    """The exit code as a container engine gives it. A job that is to be terminated gets SIGTERM, later SIGKILL."""
    while process.poll() is None and not job.stop:
        time.sleep(POLL_SECONDS)
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
    code = process.wait()
    return code if code >= 0 else 128 - code


def _retried(strategy: dict[str, Any], code: int) -> bool:
    """By the first rule of the job definition that speaks of this exit code, or of everything."""
    for rule in strategy["evaluateOnExit"]:
        if rule.get("onExitCode") == str(code) or rule.get("onReason") == "*":
            return bool(rule["action"].upper() == "RETRY")  # moto keeps it in small letters
    return True


def _keep_log(job: "Job", log: Path) -> None:
    now = int(time.time() * 1000)
    lines = [line for line in log.read_text().splitlines() if line]
    job._log_backend.ensure_log_group(job._log_group)
    job._log_backend.ensure_log_stream(job._log_group, job._stream_name)
    events = [{"timestamp": now, "message": line} for line in lines]
    job._log_backend.put_log_events(job._log_group, job._stream_name, events)


def _end(job: "Job", code: int) -> None:
    job.exit_code = code

    def described() -> dict[str, object]:  # moto's own leaves the code out of a job that ended
        return {**type(job)._container_details(job), "exitCode": code}

    vars(job)["_container_details"] = described
    job._mark_stopped(success=code == 0)
