"""Many callers at once, and one who guesses keys: no 5xx, memory flat, and the others do not suffer."""

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median

import httpx
import psutil
import pytest

KEY = "correct horse battery staple"
PATHS = ("/jobs?limit=20", "/partitions", "/whoami", "/jobs/{job}", "/jobs/{job}/events", "/metrics")


@dataclass(frozen=True)
class Process:
    """The service as a process of its own."""

    url: str
    pid: int

    def memory(self) -> int:
        """Bytes that are resident and its own."""
        return int(psutil.Process(self.pid).memory_full_info().uss)


@contextmanager
def _service(folder: Path) -> Iterator[Process]:
    environment = {
        "HLS_DATA_DIR": str(folder / "data"),
        "HLS_PORT": "0",
        "HLS_API_KEY": KEY,
        "HLS_RECONCILE": "false",
        "HLS_LOG_LEVEL": "warning",
        "HLS_REQUESTS_PER_MINUTE": str(10**9),
        "HLS_MAX_ACTIVE_JOBS": str(10**6),
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "api"], stdout=subprocess.PIPE, stderr=log, env={**os.environ, **environment}
        )
    try:
        assert process.stdout
        line = process.stdout.readline()
        assert line, (folder / "log").read_text()
        yield Process(str(httpx.Response(200, content=line).json()["url"]), process.pid)
    finally:
        process.terminate()
        process.communicate()


def _client(url: str, **headers: str) -> httpx.Client:
    return httpx.Client(base_url=url, headers=headers, timeout=120, trust_env=False)


class Caller(threading.Thread):
    """Calls without a pause until it is over: mostly reads, now and then a new job."""

    def __init__(self, url: str, number: int, over: threading.Event) -> None:
        super().__init__(daemon=True)
        self._url, self._number, self._over = url, number, over
        self.statuses: Counter[int] = Counter()

    def run(self) -> None:
        with _client(self._url, **{"X-API-Key": KEY}) as client:
            for turn in count():
                if self._over.is_set():
                    return
                body = {"yearMonth": "202401", "prefix": f"many-{self._number}-{turn}"}
                reply = client.post("/jobs", json=body)
                self.statuses[reply.status_code] += 1
                job = reply.json().get("id", "0" * 16)
                for path in PATHS * 2:
                    self.statuses[client.get(path.format(job=job)).status_code] += 1


@pytest.mark.parametrize(
    ("callers", "seconds"),
    [(10, 3), pytest.param(200, 120, marks=[pytest.mark.soak, pytest.mark.timeout(900)])],
    ids=["small", "full"],
)
def test_many_at_once(tmp_path: Path, callers: int, seconds: float) -> None:
    """No reply but those that were asked for, and after the first quarter memory grows by less than a third."""
    with _service(tmp_path) as service:
        over = threading.Event()
        crowd = [Caller(service.url, number, over) for number in range(callers)]
        for caller in crowd:
            caller.start()
        time.sleep(seconds / 4)
        early = service.memory()
        time.sleep(3 * seconds / 4)
        late = service.memory()
        over.set()
        for caller in crowd:
            caller.join(180)
    statuses = sum((caller.statuses for caller in crowd), Counter[int]())
    print(f"{callers} callers, {seconds} s: {dict(statuses)}; memory {early >> 20} then {late >> 20} MiB")  # noqa: T201  shown by pytest -s
    assert set(statuses) == {200, 202}
    assert late < early * 4 / 3 + 16 * 2**20


class Guesser(threading.Thread):
    """Sends wrong keys at a steady rate."""

    def __init__(self, url: str, per_second: float, over: threading.Event) -> None:
        super().__init__(daemon=True)
        self._url, self._pause, self._over = url, 1 / per_second, over
        self.statuses: Counter[int] = Counter()

    def run(self) -> None:
        due = time.monotonic()
        with _client(self._url) as client:
            while not self._over.is_set():
                wrong = f"hls_0123456789ab_{os.urandom(32).hex()}"
                self.statuses[client.get("/jobs", headers={"X-API-Key": wrong}).status_code] += 1
                due += self._pause
                time.sleep(max(0, due - time.monotonic()))


def _median_latency(client: httpx.Client, seconds: float) -> float:
    taken = []
    over = time.monotonic() + seconds
    while time.monotonic() < over:
        began = time.perf_counter()
        assert client.get("/jobs?limit=20").status_code == 200
        taken.append(time.perf_counter() - began)
        time.sleep(0.005)
    return median(taken)


def _with_guessers(url: str, rate: float, measure: Callable[[], float]) -> tuple[float, Counter[int]]:
    over = threading.Event()
    guessers = [Guesser(url, rate / 4, over) for _ in range(4)]
    for guesser in guessers:
        guesser.start()
    found = measure()
    over.set()
    for guesser in guessers:
        guesser.join(60)
    return found, sum((guesser.statuses for guesser in guessers), Counter[int]())


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_guessing_slows_nobody(tmp_path: Path) -> None:
    """Wrong keys at 200 a second change the median latency of a valid caller by less than a quarter.

    Measured in turns, because machines have other things to do; the median of all turns counts.
    """
    ratios, statuses = [], Counter[int]()
    with _service(tmp_path) as service, _client(service.url, **{"X-API-Key": KEY}) as client:
        _median_latency(client, 2)
        began = time.monotonic()
        for _ in range(10):
            alone = _median_latency(client, 3)
            guessed, told = _with_guessers(service.url, 200, lambda: _median_latency(client, 3))
            ratios.append(guessed / alone)
            statuses += told
    rate = statuses.total() / (time.monotonic() - began) * 2
    print(f"ratios {[round(ratio, 2) for ratio in ratios]}; {rate:.0f} wrong keys a second: {dict(statuses)}")  # noqa: T201
    assert median(ratios) < 1.25
