"""Fixtures for the reconciler: its parts on both databases, and a hand that puts jobs and turns the wheel."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from api.catalog.engine import Engine as CatalogEngine
from api.catalog.service import CatalogService
from api.executors.memory import MemoryExecutor
from api.jobs import service, store
from api.jobs.models import Job
from api.jobs.states import JobState
from api.reconciler.context import Context, Timings
from api.reconciler.loop import Reconciler
from storage import Store, open_store
from worker.contract import layout
from worker.contract.documents import Decision
from worker.contract.job import JobParams

NO_WAIT = Timings(
    lookup=timedelta(0),
    lost=timedelta(0),
    progress=timedelta(0),
    refresh=timedelta(days=1),
    terminate_again=timedelta(0),
)


@dataclass
class Hand:
    """Puts jobs, turns the reconciler's wheel, and plays the worker."""

    context: Context
    executor: MemoryExecutor
    store: Store

    def wait(self, **timings: float) -> "Hand":
        """The same with other waits, in seconds."""
        changed = {name: timedelta(seconds=seconds) for name, seconds in timings.items()}
        return replace(self, context=replace(self.context, timings=replace(self.context.timings, **changed)))

    def put(self, month: str = "202401") -> str:
        with self.context.session() as session:
            params = JobParams(year_month=month)
            return service.put_job(session, params, actor="test", binding_of=lambda *_: None)[0].id

    def cancel(self, job_id: str) -> None:
        with self.context.session() as session:
            service.cancel_job(session, job_id, actor="ada")

    def change(self, job_id: str, **values: Any) -> None:
        with self.context.session() as session:
            assert store.change(session, service.get_job(session, job_id), **values)

    def job(self, job_id: str) -> Job:
        with self.context.session() as session:
            return service.get_job(session, job_id)

    def story(self, job_id: str) -> list[str]:
        """What happened to the job: the reasons of its events."""
        with self.context.session() as session:
            return [event.reason for event in store.events(session, job_id)]

    def turn(self, times: int = 1) -> None:
        """One pass, every step of which must go well."""
        reconciler = Reconciler(self.context, interval=0.01)
        try:
            for _ in range(times):
                assert reconciler.pass_once()
        finally:
            reconciler.close()

    def decide(self, job_id: str, run: str) -> None:
        """As the worker does in the moment before it publishes."""
        decision = Decision(action="publish", run=run, at=datetime.now(UTC))
        self.store.create(layout.decision_key(job_id), decision.to_json())

    def write_result(self, job_id: str) -> None:
        """As the worker does at its end."""
        self.store.put(layout.result_key(job_id), b"{}")


@pytest.fixture
def hand(engine: Engine, executor: MemoryExecutor, tmp_path: Path) -> Iterator[Hand]:
    archive = open_store((tmp_path / "archive").as_uri())
    with CatalogEngine(threads=1) as catalog_engine:
        context = Context(
            engine=engine,
            executor=executor,
            store=archive,
            catalog=CatalogService(archive, catalog_engine),
            destination=archive.uri,
            timings=NO_WAIT,
        )
        yield Hand(context, executor, archive)


@pytest.fixture
def running(hand: Hand, executor: MemoryExecutor) -> str:
    """The id of a job whose run, `run-1`, is under way."""
    job_id = hand.put()
    hand.turn()
    executor.start("run-1")
    hand.turn()
    assert hand.job(job_id).state is JobState.RUNNING
    return job_id
