"""The database goes away under load, or hangs, for ten seconds at full size, and comes back."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from databases import Server, postgresql_server, socket_of, url_by
from proxy import Wire, wire

from api import db, migrate, probes
from api.app import create_app
from api.executors.memory import MemoryExecutor
from api.settings import Settings
from tests.api.conftest import Serve

CALLERS = 4
AWAY = "urn:hls:problem:database-unavailable"
STATIC = "correct horse battery staple"
PLAIN: dict[str, Any] = {"trust_env": False, "verify": False}
"""For clients of plain HTTP: to prepare TLS takes longer than the requests."""


@pytest.fixture
def server() -> Iterator[Server]:
    with postgresql_server() as started:
        yield started


class Load(threading.Thread):
    """One caller after another job, again with the same Idempotency-Key until it is taken, and reads between."""

    def __init__(self, client: httpx.Client, number: int, pause: float, over: threading.Event) -> None:
        super().__init__(name=f"load-{number}")
        self._client = httpx.Client(base_url=client.base_url, headers=client.headers, timeout=60, **PLAIN)
        self._number = number
        self._pause = pause
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
            time.sleep(self._pause)
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


@dataclass
class Fault:
    """How the database goes away, and how it comes back."""

    url: str
    begin: Callable[[], None]
    end: Callable[[], None]
    told: set[str]
    """What /readyz may say of it."""


@pytest.fixture(params=["stopped", pytest.param("hung", marks=pytest.mark.soak)])
def fault(request: pytest.FixtureRequest, server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fault]:
    """The server's process ends, or it stays and nothing that is sent arrives."""
    away = "it does not answer; the log has the details"
    if request.param == "stopped":
        yield Fault(server.get_uri(), server.stop, server.start, {away})
        return
    monkeypatch.setattr(db, "SILENCE_SECONDS", 1)
    with wire(socket_of(server)) as line:
        late = f"no answer within {probes.ANSWER_SECONDS:g} seconds"
        yield Fault(url_by(line.address), line.stop_up, line.let_flow, {away, late})


def _quick(client: httpx.Client, path: str, seconds: float, **headers: str) -> httpx.Response:
    began = time.monotonic()
    reply = client.get(path, headers=headers)
    assert time.monotonic() - began < seconds
    return reply


@pytest.mark.parametrize(
    ("away", "around", "pause"),
    [(2, 0.5, 0.05), pytest.param(10, 1, 0, marks=pytest.mark.soak)],
    ids=["small", "full"],
)
def test_the_service_recovers_by_itself(
    fault: Fault, settings: Settings, executor: MemoryExecutor, serve: Serve, away: int, around: float, pause: float
) -> None:
    """503 with problem+json and nothing else while it is away, until each caller was told so; /readyz says in time what
    is missing, /healthz goes on; afterwards every job that was taken by a key of the table is there, with its first
    event, and was submitted once."""
    changes = {"database_url": fault.url, "reconcile_seconds": 0.2, "query_seconds": 2}
    keys = {"api_key": STATIC, "requests_per_minute": 10**9}
    with_server = Settings(**settings.model_dump() | changes | keys)
    engine = db.make_engine(with_server.database)
    migrate.upgrade(engine)
    engine.dispose()
    client = serve(create_app(with_server, executor=executor))
    made = client.post("/keys", json={"name": "ada", "scope": "submit"}, headers={"X-API-Key": STATIC}).json()
    client.headers["X-API-Key"] = made["key"]
    over = threading.Event()
    callers = [Load(client, number, pause, over) for number in range(CALLERS)]
    for caller in callers:
        caller.start()
    try:
        time.sleep(around)
        fault.begin()
        began = time.monotonic()
        told = _until(client, 503)
        while time.monotonic() < began + away or not all(AWAY in caller.refused for caller in callers):
            assert time.monotonic() < began + away + 60, [caller.refused for caller in callers]
            assert _quick(client, "/healthz", 2).status_code == 200
            told = _quick(client, "/readyz", probes.ANSWER_SECONDS + 2).json()
            assert told["database"]["detail"] in fault.told
            time.sleep(0.2)
        fault.end()
        _until(client, 200)
        time.sleep(around)
    finally:
        over.set()
        for caller in callers:
            caller.join(60)
    assert [each for caller in callers for each in caller.faults] == []
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


@pytest.fixture
def line(server: Server) -> Iterator[Wire]:
    with wire(socket_of(server)) as opened:
        yield opened


def test_a_scrape_while_it_hangs(
    line: Wire, settings: Settings, executor: MemoryExecutor, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/metrics answers in moments, though every thread may wait: a key that was right is told of requests and that the
    database is away, and who was not known before that it is."""
    monkeypatch.setattr(probes, "ANSWER_SECONDS", 0.5)
    changes = {"database_url": url_by(line.address), "reconcile": False, "api_key": STATIC}
    with_line = Settings(**settings.model_dump() | changes)
    engine = db.make_engine(with_line.database)
    migrate.upgrade(engine)
    engine.dispose()
    client = serve(create_app(with_line, executor=executor))
    operator = {"X-API-Key": STATIC}
    made = client.post("/keys", json={"name": "prometheus", "scope": "read"}, headers=operator).json()
    reader = {"X-API-Key": made["key"]}
    assert "hls_database_up 1.0" in client.get("/metrics", headers=reader).text
    line.stop_up()
    with httpx.Client(base_url=client.base_url, timeout=90, **PLAIN) as many, ThreadPoolExecutor(60) as crowd:
        others = [crowd.submit(many.get, "/jobs", headers=reader) for _ in range(60)]
        time.sleep(0.5)
        for key in (reader, operator):
            told = _quick(client, "/metrics", 3, **key)
            assert told.status_code == 200
            assert "hls_database_up 0.0" in told.text
            assert 'route="/keys",status="201"' in told.text
            assert "hls_jobs{" not in told.text
        stranger = _quick(client, "/metrics", 3, **{"X-API-Key": f"hls_{12 * '0'}_{64 * '0'}"})
        assert stranger.json()["type"] == AWAY
        line.let_flow()
        assert {other.result().status_code for other in others} <= {200, 503}
    assert "hls_database_up 1.0" in client.get("/metrics", headers=reader).text
