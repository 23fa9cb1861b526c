"""The service as a process that tests kill and start again, and what it leaves on this machine."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx


class Service:
    """`python -m api` on a directory of its own, with an archive that may be elsewhere."""

    def __init__(self, folder: Path, *, source: str, **environment: str) -> None:
        self.folder = folder
        self.log = folder / "service.log"
        self._environment = {
            **os.environ,
            "HLS_DATA_DIR": str(folder / "service"),
            "HLS_PORT": "0",
            "HLS_RECONCILE_SECONDS": "0.1",
            "HLS_PROGRESS_SECONDS": "0.1",
            "STAC_API_URL": source,
            "TEMP_DIR": str(folder / "temporary"),
            **environment,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._http = httpx.Client(timeout=30)
        self._url = ""

    def start(self) -> None:
        """Returns once it is ready."""
        self._url = ""
        begin = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "api"], stdout=output, stderr=subprocess.STDOUT, env=self._environment
            )
        deadline = time.monotonic() + 60
        while not self._listens(begin):
            assert self._process.poll() is None, self.log.read_text()[-3000:]
            assert time.monotonic() < deadline, self.log.read_text()[-3000:]
            time.sleep(0.02)

    def kill(self, *, with_workers: bool = False) -> None:
        """`kill -9` of the service alone; or of its supervisors and workers too, as when the machine goes down."""
        assert self._process
        self._process.kill()
        self._process.wait()
        while with_workers and (left := self._left()):
            for process in left:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)

    def stop(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
        self._http.close()

    def call(self, method: str, path: str, *, expect: int | None = None, **content: Any) -> Any:
        reply = self._http.request(method, self._url + path, **content)
        assert expect is None or reply.status_code == expect, reply.text
        return reply.json() if expect is not None else reply

    def submit(self, month: str, **wishes: Any) -> str:
        return str(self.call("POST", "/jobs", expect=202, json={"yearMonth": month, **wishes})["id"])

    def ended(self, job_id: str, seconds: float = 120) -> dict[str, Any]:
        """The job once it has ended."""
        deadline = time.monotonic() + seconds
        while True:
            job: dict[str, Any] = self.call("GET", f"/jobs/{job_id}", expect=200)
            if job["endedAt"]:
                return job
            assert time.monotonic() < deadline, (job, self.log.read_text()[-3000:])
            time.sleep(0.05)

    def log_lines(self, job_id: str) -> int:
        """How much the job's workers have logged so far."""
        attempts = (self.folder / "service" / "executor" / "runs" / job_id).glob("attempt-*.log")
        return sum(len(attempt.read_bytes().splitlines()) for attempt in attempts)

    def _left(self) -> list[int]:
        """Process ids of the supervisors and workers; a worker that has just been begun still looks like the former."""
        mark = str(self.folder / "service")
        return [process for process, arguments in _processes() if any(mark in argument for argument in arguments)]

    def _listens(self, begin: int) -> bool:
        for line in self.log.read_bytes()[begin:].splitlines():
            if line.startswith(b"{") and line.endswith(b"}"):
                self._url = json.loads(line).get("url", self._url)
        try:
            return bool(self._url) and self._http.get(f"{self._url}/readyz").status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def service(folder: Path, *, source: str, **environment: str) -> Iterator[Service]:
    """A service that runs until the block ends."""
    opened = Service(folder, source=source, **environment)
    try:
        opened.start()
        yield opened
    finally:
        opened.stop()


def _processes() -> Iterator[tuple[int, list[str]]]:
    """The processes of this machine and their arguments."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # ended since it was listed
                yield int(entry.name), (entry / "cmdline").read_text().split("\0")


def live_workers(mark: str) -> dict[int, str]:
    """Process ids of the workers of this machine with the mark among their arguments, and their jobs."""
    found = {}
    for process, arguments in _processes():
        if arguments[1:3] == ["-m", "worker"] and any(mark in argument for argument in arguments):
            (job,) = [argument.removeprefix("--job-id=") for argument in arguments if argument.startswith("--job-id=")]
            found[process] = job
    return found


class Guard(threading.Thread):
    """Looks all the time for a job with two live workers, and for a file that is replaced."""

    def __init__(self, archive: Path) -> None:
        super().__init__(name="guard", daemon=True)
        self._archive = archive
        self._over = threading.Event()
        self.doubled: set[str] = set()
        self.files: dict[str, set[tuple[int, int]]] = {}
        self.looks = 0

    def __enter__(self) -> "Guard":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()
        for process in live_workers(str(self._archive)):  # of a test that failed
            os.kill(process, signal.SIGKILL)

    def run(self) -> None:
        while not self._over.wait(0.02):
            workers = Counter(live_workers(str(self._archive)).values())
            self.doubled |= {job for job, count in workers.items() if count > 1}
            for path in self._archive.glob("*/year=*/month=*/data.parquet"):
                status = path.stat()
                self.files.setdefault(str(path), set()).add((status.st_ino, status.st_mtime_ns))
            self.looks += 1
