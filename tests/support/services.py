"""The service as a process that tests kill and start again, and what it leaves on this machine."""

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from lives import Lives


class Service:
    """`python -m api` on a directory of its own, with an archive that may be elsewhere."""

    def __init__(self, lives: Lives, folder: Path, *, source: str, **environment: str) -> None:
        self.folder = folder
        self.log = folder / "service.log"
        self.url = ""
        self._lives = lives
        self._environment = {
            **os.environ,
            "HLS_DATA_DIR": str(folder / "service"),
            "HLS_PORT": "0",
            "HLS_RECONCILE_SECONDS": "0.2",
            "HLS_PROGRESS_SECONDS": "0.2",
            "STAC_API_URL": source,
            "TEMP_DIR": str(folder / "temporary"),
            **environment,
        }
        self._process: int | None = None
        self._http = httpx.Client(timeout=30)

    def start(self) -> None:
        """Returns once it is ready."""
        self.url = ""
        self.log.touch()
        begin = self.log.stat().st_size
        self._process = self._lives.start((), self._environment, self.log)
        deadline = time.monotonic() + 60
        while not self._listens(begin):
            assert self._lives.is_alive(self._process), self.log.read_text()[-3000:]
            assert time.monotonic() < deadline, self.log.read_text()[-3000:]
            time.sleep(0.02)

    def kill(self, *, with_workers: bool = False) -> None:
        """`kill -9` of the service alone; or of its supervisors and workers too, as when the machine goes down."""
        assert self._process
        self._lives.kill(self._process)
        while with_workers and (left := self._left()):
            for process in left:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)

    def stop(self) -> None:
        if self._process is not None:
            self._lives.end(self._process)
        self._http.close()

    def call(self, method: str, path: str, *, expect: int | None = None, **content: Any) -> Any:
        reply = self._http.request(method, self.url + path, **content)
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
            time.sleep(0.2)

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
                self.url = json.loads(line).get("url", self.url)
        try:
            return bool(self.url) and self._http.get(f"{self.url}/readyz").status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def service(lives: Lives, folder: Path, *, source: str, **environment: str) -> Iterator[Service]:
    """A service that runs until the block ends."""
    opened = Service(lives, folder, source=source, **environment)
    try:
        opened.start()
        yield opened
    finally:
        opened.stop()


def _processes(but: Container[str] = ()) -> Iterator[tuple[int, list[str]]]:
    """The processes of this machine and their arguments, without those whose ids are given."""
    for name in _process_ids():
        if name not in but:
            with suppress(OSError):  # ended since it was listed
                yield int(name), Path("/proc", name, "cmdline").read_text().split("\0")


def _process_ids() -> list[str]:
    return [entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def live_workers(mark: str, but: Container[str] = ()) -> dict[int, str]:
    """Process ids of the workers of this machine with the mark among their arguments, and their jobs."""
    found = {}
    for process, arguments in _processes(but):
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
        older = set(_process_ids())  # most of the machine's: no workers of this archive, and not worth the looks
        while not self._over.wait(0.02):
            older.intersection_update(_process_ids())  # an id may come again
            workers = Counter(live_workers(str(self._archive), but=older).values())
            self.doubled |= {job for job, count in workers.items() if count > 1}
            for path in self._archive.glob("*/year=*/month=*/data.parquet"):
                status = path.stat()
                self.files.setdefault(str(path), set()).add((status.st_ino, status.st_mtime_ns))
            self.looks += 1
