"""While the archive or the executor is asked, a request holds no connection of the database's: either may hang."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.executors.base import LogPage
from api.executors.memory import MemoryExecutor
from api.jobs.states import JobState
from api.jobs.store import change, get
from api.settings import Settings
from storage import NotFound
from tests.api.conftest import Serve


@pytest.fixture
def app(settings: Settings, executor: MemoryExecutor) -> FastAPI:
    return create_app(settings.model_copy(update={"reconcile": False}), executor=executor)


@pytest.fixture
def client(app: FastAPI, serve: Serve) -> httpx.Client:
    return serve(app)


@pytest.fixture
def held(app: FastAPI, executor: MemoryExecutor, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many connections were held whenever something outside was asked."""
    seen: list[int] = []

    def look() -> None:
        seen.append(app.state.engine.pool.checkedout())

    def get_binding(_key: str) -> None:
        look()
        raise NotFound("nothing")

    def logs(*_: Any) -> LogPage:
        look()
        return LogPage((), None)

    monkeypatch.setattr(app.state.parts.store, "get", get_binding)
    monkeypatch.setattr(executor, "logs", logs)
    return seen


def submit(client: httpx.Client, **headers: str) -> Any:
    reply = client.post("/jobs", json={"yearMonth": "202401"}, headers=headers)
    assert reply.status_code == 202
    return reply.json()["id"]


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "mine"}], ids=["bare", "with a key"])
def test_a_request(client: httpx.Client, held: list[int], headers: dict[str, str]) -> None:
    """Nor the lock of its Idempotency-Key, which is SQLite's only writer's."""
    submit(client, **headers)
    assert held == [0]


def test_a_retry(client: httpx.Client, held: list[int]) -> None:
    """Though it reads the job first."""
    job_id = submit(client)
    assert client.post(f"/jobs/{job_id}/cancel").status_code == 202
    assert client.post(f"/jobs/{job_id}/retry").status_code == 202
    assert held == [0, 0]


def test_the_page(client: httpx.Client, held: list[int]) -> None:
    """Its form and its button are no different."""
    reply = client.post("/ui/submit", data={"yearMonth": "202401", "collections": ["HLSL30_2.0"]})
    assert reply.status_code == 303, reply.text
    job = reply.headers["Location"]
    assert client.post(f"{job}/cancel").status_code == 303
    again = client.post(f"{job}/retry")
    assert (again.status_code, again.headers["Location"] != job) == (303, True)
    assert held == [0, 0]


def test_a_log(app: FastAPI, client: httpx.Client, held: list[int]) -> None:
    """Though it reads the job first."""
    job_id = submit(client)
    with app.state.parts.reconciler().context.session() as session:
        job = get(session, job_id)
        assert job
        assert change(session, job, state=JobState.RUNNING, log_ref="run-1/1")
    assert client.get(f"/jobs/{job_id}/logs").status_code == 200
    assert held == [0, 0]
