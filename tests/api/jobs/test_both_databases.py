"""Over HTTP what the two databases do in their own ways: order, and requests that meet."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine
from sqlmodel import Session, select

from api.app import create_app
from api.executors.memory import MemoryExecutor
from api.jobs.models import Job
from api.settings import Settings
from tests.api.conftest import Serve


@pytest.fixture
def app(engine: Engine, database_url: str, executor: MemoryExecutor, tmp_path: Path) -> FastAPI:
    """A service on a migrated database of each kind, whose reconciler does not run."""
    settings = Settings(data_dir=tmp_path / "data", database_url=database_url, reconcile=False)
    return create_app(settings, executor=executor)


@pytest.fixture
def client(app: FastAPI, serve: Serve) -> httpx.Client:
    return serve(app)


def test_pages_of_jobs_of_one_moment(client: httpx.Client, engine: Engine) -> None:
    """Where the times of many jobs are equal, pages give each job once, in an order that stays."""
    for year in (2022, 2023):
        for month in range(1, 13):
            assert client.post("/jobs", json={"yearMonth": f"{year}{month:02d}"}).status_code == 202
    with Session(engine) as session, session.begin():
        for job in session.exec(select(Job)):
            job.created_at = datetime(2024, 1, 1, tzinfo=UTC)
    seen: list[str] = []
    url = "/jobs?limit=5"
    while url:
        reply = client.get(url)
        seen += [job["id"] for job in reply.json()["jobs"]]
        url = reply.links["next"]["url"] if "next" in reply.links else ""
    assert len(seen) == 24
    assert seen == sorted(set(seen), reverse=True)


def test_one_key_at_the_same_moment(client: httpx.Client) -> None:
    """Of many equal requests with one Idempotency-Key one makes the job, and the others get its answer again."""

    def submit(_: int) -> httpx.Response:
        return client.post("/jobs", json={"yearMonth": "202401"}, headers={"Idempotency-Key": "mine"})

    with ThreadPoolExecutor(12) as threads:
        replies = list(threads.map(submit, range(24)))
    assert {reply.status_code for reply in replies} == {202}
    assert len({reply.text for reply in replies}) == 1
    assert sum("idempotency-replayed" not in reply.headers for reply in replies) == 1
    assert len(client.get("/jobs").json()["jobs"]) == 1
