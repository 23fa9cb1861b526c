"""The database goes away under load, for ten seconds at full size, and comes back."""

import threading
import time
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest
from databases import Server, postgresql_server

from api import db, migrate
from api.app import create_app
from api.executors.memory import MemoryExecutor
from api.settings import Settings
from tests.api.conftest import Serve

CALLERS = 4


@pytest.fixture
def server() -> Iterator[Server]:
    with postgresql_server() as started:
        yield started


class Load(threading.Thread):
    """One caller after another job, again with the same Idempotency-Key until it is taken, and reads between."""

    def __init__(self, url: httpx.URL, number: int, over: threading.Event) -> None:
        super().__init__(name=f"load-{number}")
        self._client = httpx.Client(base_url=url, timeout=60, trust_env=False)
        self._number = number
        self._over = over
        self.taken: dict[str, str] = {}
        self.refused: Counter[str] = Counter()
        self.faults: list[str] = []

    def run(self) -> None:
        count = 0
        while not self._over.is_set():
            count += 1
            prefix = f"load-{self._number}-{count}"
            headers = {"Idempotency-Key": prefix}
            while not self._submit(prefix, headers) and not self._over.is_set():
                self._checked(self._client.get("/jobs?limit=5"), 200)
                time.sleep(0.05)
        self._client.close()

    def _submit(self, prefix: str, headers: dict[str, str]) -> bool:
        reply = self._client.post("/jobs", json={"yearMonth": "202401", "prefix": prefix}, headers=headers)
        if not self._checked(reply, 202):
            return False
        self.taken[prefix] = reply.json()["id"]
        return True

    def _checked(self, reply: httpx.Response, good: int) -> bool:
        if reply.status_code == good:
            return True
        problem = reply.headers["content-type"] == "application/problem+json" and "retry-after" in reply.headers
        if reply.status_code == 503 and problem:
            self.refused[reply.json()["type"]] += 1
        else:
            self.faults.append(f"{reply.status_code} {reply.text}")
        return False


def _until(client: httpx.Client, status: int, seconds: float = 60) -> dict[str, object]:
    deadline = time.monotonic() + seconds
    while (reply := client.get("/readyz")).status_code != status:
        assert time.monotonic() < deadline, reply.text
        time.sleep(0.1)
    told: dict[str, object] = reply.json()
    return told


@pytest.mark.parametrize("away", [2, pytest.param(10, marks=pytest.mark.soak)], ids=["small", "full"])
def test_the_service_recovers_by_itself(
    server: Server, settings: Settings, executor: MemoryExecutor, serve: Serve, away: int
) -> None:
    """503 with problem+json and nothing else while it is away; /readyz says what is missing, /healthz goes on; afterwards
    every job that was taken is there, with its first event, and was submitted once."""
    with_server = settings.model_copy(update={"database_url": server.get_uri(), "reconcile_seconds": 0.2})
    engine = db.make_engine(with_server.database)
    migrate.upgrade(engine)
    engine.dispose()
    client = serve(create_app(with_server, executor=executor))
    over = threading.Event()
    callers = [Load(client.base_url, number, over) for number in range(CALLERS)]
    for caller in callers:
        caller.start()
    try:
        time.sleep(1)
        server.stop()
        stopped = time.monotonic()
        told = _until(client, 503)
        assert told["database"] == {"ok": False, "detail": "it does not answer; the log has the details"}
        assert client.get("/healthz").status_code == 200
        time.sleep(max(0, stopped + away - time.monotonic()))
        server.start()
        _until(client, 200)
        time.sleep(1)
    finally:
        over.set()
        for caller in callers:
            caller.join(60)
    assert [fault for caller in callers for fault in caller.faults] == []
    assert sum((caller.refused for caller in callers), Counter[str]())["urn:hls:problem:database-unavailable"] > 0
    taken = {prefix: job for caller in callers for prefix, job in caller.taken.items()}
    _all_submitted_once(client, executor, taken)


def _all_submitted_once(client: httpx.Client, executor: MemoryExecutor, taken: dict[str, str]) -> None:
    assert len(taken) > CALLERS
    deadline = time.monotonic() + 60
    while len(executor.submitted) < len(taken):
        assert time.monotonic() < deadline, f"{len(executor.submitted)} of {len(taken)} jobs were submitted"
        time.sleep(0.1)
    submitted = Counter(params.job_id for params in executor.submitted.values())
    for prefix, job_id in taken.items():
        job = client.get(f"/jobs/{job_id}").json()
        assert job["params"]["prefix"] == prefix
        assert submitted[job_id] == 1
        events = client.get(job["links"]["events"]).json()["events"]
        assert [event["to"] for event in events[:1]] == ["pending"]
