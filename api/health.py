"""Whether the service lives, and whether it can do its work."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import Field
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from api import db
from api.executors.base import ExecutorError, Throttled
from api.jobs import store as jobs
from api.parts import Parts
from api.probes import ANSWER_SECONDS, Probe
from api.reconciler.loop import PASS_MARK
from api.schemas import Out
from storage import StorageError
from worker.contract import layout

STALE_AFTER = timedelta(minutes=2)
"""A reconciler whose last good pass is older than this and the wait between two of them is not at work."""
_SENTENCES: dict[type[Exception], str] = {
    SQLAlchemyError: "it does not answer",
    StorageError: "it cannot be read",
    Throttled: "it asks to be called less often",
    ExecutorError: "it takes no work",
}

router = APIRouter(tags=["health"])
logger = logging.getLogger(__name__)


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


_NOT_READY: dict[int | str, dict[str, Any]] = {
    503: {"model": Ready, "description": "Something that the service needs does not answer"}
}


@router.get("/healthz", operation_id="live", summary="Is the process alive?")
async def live() -> Live:
    """Answers as long as the process does."""
    return Live()


@router.get(
    "/readyz",
    operation_id="ready",
    summary="Can the service do its work?",
    responses=_NOT_READY,
)
async def ready(request: Request, response: Response) -> Ready:
    """Asks the database, the storage and the executor, and when the reconciler last made a good pass; once a second."""
    readiness: Readiness = request.app.state.readiness
    told = await readiness.told()
    if not told.ready:
        response.status_code = 503
    return told


class Readiness:
    """What the service needs, asked without the threads that serve requests: those may all wait for what hangs."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._started_at = db.now()
        self._database = Probe("database", self._ask_database)
        self._storage = Probe("storage", lambda: _checked("storage", self._ask_storage))
        self._executor = Probe("executor", lambda: _checked("executor", parts.executor.check))
        self._last_pass: datetime | None = None

    async def told(self) -> Ready:
        """In a moment, whatever hangs."""
        database, storage, executor = [
            answer or Check(ok=False, detail=f"no answer within {ANSWER_SECONDS:g} seconds")
            for answer in await asyncio.gather(self._database.answer(), self._storage.answer(), self._executor.answer())
        ]
        reconciler = self._reconciler() if database.ok else Check(ok=False, detail="not known without the database")
        return Ready(
            ready=all(check.ok for check in (database, storage, executor, reconciler)),
            last_pass=self._last_pass,
            database=database,
            storage=storage,
            executor=executor,
            reconciler=reconciler,
        )

    def _ask_database(self) -> Check:
        return _checked("database", self._read_last_pass)

    def _read_last_pass(self) -> None:
        with Session(self._parts.engine) as session:
            self._last_pass = jobs.marked(session, PASS_MARK)

    def _ask_storage(self) -> None:
        self._parts.store.head(layout.dataset_key(layout.DEFAULT_PREFIX))

    def _reconciler(self) -> Check:
        last_pass = self._last_pass
        stale_after = STALE_AFTER + timedelta(seconds=self._parts.settings.reconcile_seconds)
        if db.now() - max(last_pass or self._started_at, self._started_at) < stale_after:
            return Check(ok=True, detail=None if last_pass else "no pass yet")
        when = f"at {last_pass:%Y-%m-%d %H:%M:%S} UTC" if last_pass else "never"
        return Check(ok=False, detail=f"its last good pass was {when}; is it running?")


def _checked(part: str, ask: Callable[[], object]) -> Check:
    """Everybody may ask, so the answer names no buckets, queues or paths; the log does."""
    try:
        ask()
    except Exception as error:
        logger.warning("the %s is not ready", part, extra={"action": "ready"}, exc_info=error)
        said = next((sentence for kind, sentence in _SENTENCES.items() if isinstance(error, kind)), "it fails")
        return Check(ok=False, detail=f"{said}; the log has the details")
    return Check(ok=True)
