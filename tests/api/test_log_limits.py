"""A job's log: how long a page may be, and how many are read at a time."""

import threading
import time
from collections.abc import Sequence

import httpx
import pytest
from fastapi import FastAPI
from sqlmodel import Session

from api.app import create_app
from api.executors.base import LogLine, LogPage
from api.executors.memory import MemoryExecutor
from api.jobs.models import Job
from api.settings import Settings
from tests.api.conftest import Serve


@pytest.fixture
def app(settings: Settings, executor: MemoryExecutor) -> FastAPI:
    limits = {"reconcile": False, "max_log_lines": 5, "max_log_reads": 2}
    return create_app(settings.model_copy(update=limits), executor=executor)


def job_with_log(client: httpx.Client, app: FastAPI, month: str = "202401") -> str:
    job = str(client.post("/jobs", json={"yearMonth": month}).json()["id"])
    with Session(app.state.engine) as session, session.begin():
        session.get_one(Job, job).log_ref = f"log of {job}"
    return job


def test_a_page_that_is_too_long(
    app: FastAPI, executor: MemoryExecutor, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """422 with the field and the most that may be asked for; what asks for no length gets what there is."""
    lengths: list[int] = []

    def logs(_ref: str, _token: str | None, limit: int) -> LogPage:
        lengths.append(limit)
        return LogPage((LogLine(None, "line"),), None)

    monkeypatch.setattr(executor, "logs", logs)
    client = serve(app)
    job = job_with_log(client, app)
    statuses = [client.get(f"/jobs/{job}/logs{query}").status_code for query in ("?limit=3", "", "?limit=6")]
    assert statuses == [200, 200, 422]
    assert lengths == [3, 5]
    fault = client.get(f"/jobs/{job}/logs?limit=6").json()["errors"]
    assert fault == [{"field": "limit", "message": "a page has at most 5 lines; follow `nextToken` for more"}]


def test_many_slow_logs(app: FastAPI, executor: MemoryExecutor, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two are read; the third is told at once to come again, and a page shows what was kept."""
    over, reading = threading.Event(), threading.Semaphore(0)

    def slow(*_: object) -> LogPage:
        reading.release()
        over.wait(60)
        return LogPage((), None)

    def tail(*_: object) -> Sequence[LogLine]:
        raise AssertionError("was read")

    monkeypatch.setattr(executor, "logs", slow)
    monkeypatch.setattr(executor, "tail", tail)
    client = serve(app)
    job = job_with_log(client, app)
    readers = [threading.Thread(target=client.get, args=(f"/jobs/{job}/logs",)) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        assert all(reading.acquire(timeout=30) for _ in readers)
        began = time.monotonic()
        refused = client.get(f"/jobs/{job}/logs")
        page = client.get(f"/ui/jobs/{job}")
        assert time.monotonic() - began < 20
    finally:
        over.set()
        for reader in readers:
            reader.join()
    assert (refused.status_code, refused.json()["type"]) == (503, "urn:hls:problem:executor-unavailable")
    assert "retry-after" in refused.headers
    assert "many logs are being read" in refused.json()["detail"]
    assert page.status_code == 200
    assert "many logs are being read" in page.text
    assert client.get(f"/jobs/{job}/logs").status_code == 200
