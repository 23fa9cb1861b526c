"""What is slow is asked without holding a connection of the database meanwhile."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import httpx
import pytest
from fastapi import FastAPI
from sqlmodel import Session

from api import db
from api.app import create_app
from api.catalog.models import Partition
from api.executors.base import ExecutorUnavailable
from api.executors.memory import MemoryExecutor
from api.jobs.models import Job
from api.settings import Settings
from storage import StorageError

Serve = Callable[..., httpx.Client]


@pytest.fixture
def app(settings: Settings, executor: MemoryExecutor) -> FastAPI:
    return create_app(settings.model_copy(update={"reconcile": False}), executor=executor)


class Asked:
    """A call that notes how many connections are held while it is under way, and fails."""

    def __init__(self, app: FastAPI, fault: Exception) -> None:
        self._pool, self._fault = app.state.engine.pool, fault
        self.held: list[int] = []

    def __call__(self, *_: object) -> None:
        self.held.append(self._pool.checkedout())
        raise self._fault


@pytest.mark.parametrize(("path", "call"), [("", "link"), ("/data", "link"), ("/data", "head")])
def test_the_archive(app: FastAPI, serve: Serve, monkeypatch: pytest.MonkeyPatch, path: str, call: str) -> None:
    """A partition's link is signed, and its file looked at, with the connection given back."""
    now = datetime.now(UTC)
    with Session(app.state.engine) as session, session.begin():
        session.add(
            Partition(
                prefix="hls-data",
                year_month="202401",
                key="hls-data/year=2024/month=01/data.parquet",
                etag="e",
                bytes=1,
                modified_at=now,
                seen_at=now,
                unreadable="torn",
            )
        )
    asked = Asked(app, StorageError("away"))
    monkeypatch.setattr(app.state.parts.store, call, asked)
    assert serve(app).get(f"/partitions/202401{path}").status_code == 503
    assert asked.held == [0]


def test_the_executors_log(app: FastAPI, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job's page reads the log with the connection given back, and is shown without it."""
    client = serve(app)
    job = client.post("/jobs", json={"yearMonth": "202401"}).json()["id"]
    with Session(app.state.engine) as session, session.begin():
        session.get_one(Job, job).log_ref = "somewhere"
    asked = Asked(app, ExecutorUnavailable("away"))
    monkeypatch.setattr(app.state.parts.executor, "tail", asked)
    reply = client.get(f"/ui/jobs/{job}")
    assert reply.status_code == 200
    assert "cannot be read" in reply.text
    assert asked.held == [0]


def test_more_requests_than_places(
    settings: Settings, executor: MemoryExecutor, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for a place is served when there is one, and told 503 when there is none in time; what needs none goes on."""
    monkeypatch.setattr(db, "PLACES", 1)
    app = create_app(settings.model_copy(update={"reconcile": False}), executor=executor)
    began, over = threading.Event(), threading.Event()

    @app.get("/slow")
    def slow(_: db.Transaction) -> None:
        began.set()
        over.wait(60)

    client = serve(app)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(client.get, "/slow")
        began.wait(30)
        with monkeypatch.context() as hurried:
            hurried.setattr(db, "PLACE_WAIT_SECONDS", 0.3)
            refused = client.get("/jobs")
        assert (refused.status_code, refused.json()["type"]) == (503, "urn:hls:problem:crowded")
        assert "retry-after" in refused.headers
        assert client.get("/metrics").status_code == client.get("/readyz").status_code == 200
        patient = pool.submit(client.get, "/jobs")
        time.sleep(0.3)
        over.set()
        assert (first.result().status_code, patient.result().status_code) == (200, 200)
    assert client.get("/jobs").status_code == 200
