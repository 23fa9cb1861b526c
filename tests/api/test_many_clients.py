"""Many callers at once, and one who guesses keys: no 5xx, memory flat, and the others do not suffer."""

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import mean, median

import guesser
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
def _service(folder: Path, **settings: int) -> Iterator[Process]:
    environment = {
        "HLS_DATA_DIR": str(folder / "data"),
        "HLS_PORT": "0",
        "HLS_API_KEY": KEY,
        "HLS_RECONCILE": "false",
        "HLS_LOG_LEVEL": "warning",
        "HLS_REQUESTS_PER_MINUTE": str(10**9),
        "HLS_MAX_ACTIVE_JOBS": str(10**6),
        **{name: str(value) for name, value in settings.items()},
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
    return httpx.Client(base_url=url, headers=headers, timeout=120, trust_env=False, verify=False)  # noqa: S501  no TLS here, whose preparation takes a while


class Caller(threading.Thread):
    """Calls without a pause until it is over: mostly reads, now and then a new job."""

    def __init__(self, url: str, number: int, reads: Sequence[str], over: threading.Event) -> None:
        super().__init__(daemon=True)
        self._url, self._number, self._reads, self._over = url, number, reads, over
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
                for path in self._reads:
                    self.statuses[client.get(path.format(job=job)).status_code] += 1


def _growth(samples: list[tuple[float, int]]) -> float:
    """Bytes a second of the straight line that fits the samples best."""
    at, found = mean(at for at, _ in samples), mean(bytes_ for _, bytes_ in samples)
    spread = sum((each - at) ** 2 for each, _ in samples)
    return sum((each - at) * (bytes_ - found) for each, bytes_ in samples) / spread


@pytest.mark.parametrize(
    ("callers", "rounds", "seconds"),
    # The small one still is of more callers than there are threads.
    [(48, 1, 2), pytest.param(200, 2, 120, marks=[pytest.mark.soak, pytest.mark.timeout(900)])],
    ids=["small", "full"],
)
def test_many_at_once(tmp_path: Path, callers: int, rounds: int, seconds: float) -> None:
    """No reply but those that were asked for, to many requests, and in the second half memory grows by 16 MiB at most."""
    samples: list[tuple[float, int]] = []
    with _service(tmp_path) as service:
        over = threading.Event()
        crowd = [Caller(service.url, number, PATHS * rounds, over) for number in range(callers)]
        for caller in crowd:
            caller.start()
        began = time.monotonic()
        while (at := time.monotonic() - began) < seconds:
            samples.append((at, service.memory()))
            time.sleep(seconds / 120)
        over.set()
        for caller in crowd:
            caller.join(180)
    statuses = sum((caller.statuses for caller in crowd), Counter[int]())
    second_half = [(at, found) for at, found in samples if at > seconds / 2]
    growth = _growth(second_half) * seconds / 2
    told = [found >> 20 for _, found in samples[:: max(1, len(samples) // 12)]]
    shown = f"memory {told} MiB, {growth / 2**20:+.1f} in the second half"
    print(f"{callers} callers, {seconds} s: {dict(statuses)}; {shown}")  # noqa: T201  shown by pytest -s
    assert set(statuses) == {200, 202}
    assert statuses.total() >= 20 * seconds
    assert min(caller.statuses.total() for caller in crowd) >= 1 + rounds * len(PATHS)
    assert len(second_half) >= 10
    assert growth < 16 * 2**20


def _median_latency(client: httpx.Client, seconds: float) -> float:
    taken = []
    over = time.monotonic() + seconds
    while time.monotonic() < over:
        began = time.perf_counter()
        assert client.get("/jobs?limit=20").status_code == 200
        taken.append(time.perf_counter() - began)
        time.sleep(0.005)
    return median(taken)


class Guessing:
    """Wrong keys from a process of its own, and how many it sent in which time while somebody measured."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.statuses: Counter[str] = Counter()
        self.sent, self.seconds = 0, 0.0

    @contextmanager
    def under_way(self) -> Iterator[None]:
        self._told()
        yield
        told = json.loads(self._told())
        self.sent += told["sent"]
        self.seconds += told["seconds"]
        self.statuses.update(told["statuses"])

    def _told(self) -> str:
        assert self._process.stdin
        assert self._process.stdout
        print(file=self._process.stdin, flush=True)
        return self._process.stdout.readline()


@contextmanager
def _guessing(url: str, key_id: str, per_second: float) -> Iterator[Guessing]:
    command = [sys.executable, guesser.__file__, url, key_id, str(per_second)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Guessing(process)
        process.kill()


FULL = [pytest.mark.soak, pytest.mark.timeout(600)]


@pytest.mark.parametrize(
    ("rate", "turns", "seconds", "most"),
    [(20, 3, 1.0, 3.0), pytest.param(200, 10, 3.0, 1.25, marks=FULL)],
    ids=["small", "full"],
)
def test_guessing_slows_nobody(tmp_path: Path, rate: float, turns: int, seconds: float, most: float) -> None:
    """Wrong keys at 200 a second change the median latency of a valid caller by less than a quarter."""
    assert _slowed(tmp_path, rate, turns, seconds, {"401", "429"}) < most


@pytest.mark.parametrize(
    ("rate", "turns", "seconds", "most"),
    [(20, 3, 1.0, 3.0), pytest.param(200, 10, 3.0, 2.0, marks=FULL)],
    ids=["small", "full"],
)
def test_guessing_beyond_any_limit(tmp_path: Path, rate: float, turns: int, seconds: float, most: float) -> None:
    """Where no address has to wait, as with guesses from many, each is looked up, and a valid caller is served on."""
    assert _slowed(tmp_path, rate, turns, seconds, {"401"}, HLS_WRONG_KEYS_PER_MINUTE=10**9) < most


def _slowed(folder: Path, rate: float, turns: int, seconds: float, expected: set[str], **settings: int) -> float:
    """By how much: the median of turns without and with guesses, because machines have other things to do."""
    ratios = []
    with ExitStack() as stack:
        service = stack.enter_context(_service(folder, **settings))
        with _client(service.url, **{"X-API-Key": KEY}) as operator:
            made = operator.post("/keys", json={"name": "ada", "scope": "read"}).json()
        client = stack.enter_context(_client(service.url, **{"X-API-Key": made["key"]}))
        guessing = stack.enter_context(_guessing(service.url, made["id"], rate))
        _median_latency(client, seconds)
        for _ in range(turns):
            alone = _median_latency(client, seconds)
            with guessing.under_way():
                ratios.append(_median_latency(client, seconds) / alone)
    sent = guessing.sent / guessing.seconds
    told = f"{median(ratios):.2f} of {[round(ratio, 2) for ratio in ratios]}"
    print(f"latency times {told}; {sent:.0f} wrong keys a second: {dict(guessing.statuses)}")  # noqa: T201  shown by pytest -s
    assert set(guessing.statuses) == expected
    assert sent >= 0.95 * rate
    return median(ratios)
