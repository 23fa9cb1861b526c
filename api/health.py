"""Whether the service lives, and whether it can do its work."""

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import Field
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from api import db
from api.executors.base import ExecutorError
from api.jobs import store as jobs
from api.parts import Parts
from api.reconciler.loop import PASS_MARK
from api.schemas import Out
from storage import StorageError
from worker.contract import layout

STALE_AFTER = timedelta(minutes=2)
"""A reconciler whose last good pass is older than this is not at work."""
KEPT_SECONDS = 1.0
"""An answer is good for so long. Nobody's requests are counted: a balancer must get one, whoever else asks."""

router = APIRouter(tags=["health"])


class Live(Out):
    """The process answers."""

    status: str = Field(default="ok", description="Always ok: the process answers")


class Check(Out):
    """One thing that the service needs."""

    ok: bool = Field(description="Whether it answers")
    detail: str | None = Field(default=None, description="What is wrong with it")


class Ready(Out):
    """What the service needs to do its work."""

    ready: bool = Field(description="Whether all of them are well")
    database: Check = Field(description="The record of the jobs and the catalogue")
    storage: Check = Field(description="The archive, read")
    executor: Check = Field(description="What runs the workers")
    reconciler: Check = Field(description="The loop that submits jobs and follows them")
    last_pass: datetime | None = Field(description="When the reconciler's last good pass ended")


class Readiness:
    """The last answer, so that however many ask, the database and AWS are asked by one of them."""

    def __init__(self) -> None:
        self._asking = threading.Lock()
        self._last: Ready | None = None
        self._good_until = 0.0

    def told(self, ask: Callable[[], Ready]) -> Ready:
        """A good answer; the last one where somebody asks at this moment, so that no thread waits for a slow one."""
        last = self._last
        if last is None:
            with self._asking:
                return self._last or self._asked(ask)
        if time.monotonic() < self._good_until or not self._asking.acquire(blocking=False):
            return last
        try:
            return self._asked(ask)
        finally:
            self._asking.release()

    def _asked(self, ask: Callable[[], Ready]) -> Ready:
        self._last = ask()
        self._good_until = time.monotonic() + KEPT_SECONDS
        return self._last


_NOT_READY: dict[int | str, dict[str, Any]] = {
    503: {"model": Ready, "description": "Something that the service needs does not answer"}
}


@router.get("/healthz", operation_id="live", summary="Is the process alive?")
def live() -> Live:
    """Answers as long as the process does."""
    return Live()


@router.get(
    "/readyz",
    operation_id="ready",
    summary="Can the service do its work?",
    responses=_NOT_READY,
)
def ready(request: Request, response: Response) -> Ready:
    """Asks the database, the storage and the executor, and when the reconciler last made a good pass; once a second."""
    readiness: Readiness = request.app.state.readiness
    told = readiness.told(lambda: _asked(request.app.state.parts, request.app.state.started_at))
    if not told.ready:
        response.status_code = 503
    return told


def _asked(parts: Parts, started_at: datetime) -> Ready:
    database = _checked(lambda: _ask_database(parts))
    last_pass = _last_pass(parts) if database.ok else None
    checks = {
        "database": database,
        "storage": _checked(lambda: parts.store.head(layout.dataset_key(layout.DEFAULT_PREFIX))),
        "executor": _checked(parts.executor.check),
        "reconciler": _reconciler(last_pass, started_at),
    }
    return Ready(ready=all(check.ok for check in checks.values()), last_pass=last_pass, **checks)


def _checked(ask: Callable[[], object]) -> Check:
    try:
        ask()
    except SQLAlchemyError:
        return Check(ok=False, detail="it does not answer; the log has the details")
    except (StorageError, ExecutorError) as error:
        return Check(ok=False, detail=str(error))
    return Check(ok=True)


def _ask_database(parts: Parts) -> None:
    with parts.engine.connect() as connection:
        connection.execute(text("SELECT 1"))


def _last_pass(parts: Parts) -> datetime | None:
    with Session(parts.engine) as session:
        return jobs.marked(session, PASS_MARK)


def _reconciler(last_pass: datetime | None, started_at: datetime) -> Check:
    if db.now() - max(last_pass or started_at, started_at) < STALE_AFTER:
        return Check(ok=True, detail=None if last_pass else "no pass yet")
    when = f"at {last_pass:%Y-%m-%d %H:%M:%S} UTC" if last_pass else "never"
    return Check(ok=False, detail=f"its last good pass was {when}; is it running?")
