"""What every step of the reconciler works with."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Event
from typing import Protocol

from sqlalchemy import Engine
from sqlmodel import Session

from api.executors.base import Executor, RunState, RunStatus
from api.jobs import store as jobs
from api.jobs.models import Job
from api.jobs.states import JobState
from storage import Store
from worker.contract.logs import JOB_ID, REQUEST_ID
from worker.contract.month import Month

ACTOR = "reconciler"
PAGE = 100
"""Jobs of one poll: Batch's limit for `DescribeJobs`."""
PATIENCE_SECONDS = 20.0
_CHANGE_ATTEMPTS = 5

logger = logging.getLogger(__name__)


Sessions = Callable[[], AbstractContextManager[Session]]
"""Opens a session whose block is one transaction."""

Decide = Callable[[Session, Job], bool]
"""Changes a job that was read anew; false where somebody else changed it at the same moment."""


class Catalog(Protocol):
    """What the reconciler asks of the catalogue."""

    def register(self, sessions: Sessions, prefix: str, month: Month, job_id: str) -> str | None:
        """Take in the partition that a job has just published; returns the job that its footer names."""
        ...

    def is_refresh_due(self, session: Session, *, every: timedelta) -> bool:
        """Whether it is time to look at the whole archive, or somebody asked for it."""
        ...

    def refresh(self, sessions: Sessions, *, stop: Event | None = None) -> object:
        """Look at the whole archive; ends early when `stop` is set."""
        ...


class Patience:
    """Whether a step goes on after a call that failed.

    What fails at once may be the fault of one job or page, and the next one has its turn; what takes long would take
    as long again, while every other step waits.
    """

    def __init__(self) -> None:
        self._until = time.monotonic() + PATIENCE_SECONDS

    @property
    def lasts(self) -> bool:
        return time.monotonic() < self._until


@dataclass(frozen=True)
class Timings:
    """How long the reconciler waits for what."""

    lookup: timedelta = timedelta(seconds=120)
    lost: timedelta = timedelta(minutes=10)
    progress: timedelta = timedelta(seconds=30)
    refresh: timedelta = timedelta(minutes=10)
    terminate_again: timedelta = timedelta(seconds=30)


@dataclass(frozen=True)
class Context:
    """The parts that the steps need.

    `destination` is the archive's root as workers are told it; `goes_on` says whether this process still leads and was
    not told to stop, and is asked before each page.
    """

    engine: Engine
    executor: Executor
    store: Store
    catalog: Catalog
    destination: str
    timings: Timings = field(default_factory=Timings)
    goes_on: Callable[[], bool] = lambda: True

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session whose block is one transaction."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    def sweep(self, *states: JobState, cancelling: bool = False) -> Iterator[Sequence[Job]]:
        """Pages of the jobs in these states, oldest first, as they are when each page is read."""
        place: tuple[datetime, str] | None = None
        while self.goes_on():
            with self.session() as session:
                page = jobs.sweep(session, states, after=place, limit=PAGE, cancelling=cancelling)
            if page:
                yield page
            if len(page) < PAGE:  # what has come meanwhile is for the next pass
                return
            place = page[-1].created_at, page[-1].id

    def read(self, job_id: str) -> Job | None:
        """The job as it is now."""
        with self.session() as session:
            return jobs.get(session, job_id)

    def settle(self, job_id: str, decide: Decide) -> bool:
        """Read the job anew and change it, in a transaction of its own, again while somebody else changes it.

        `decide` returns false where the row had moved on; whether one of the attempts went through is returned.
        """
        for _ in range(_CHANGE_ATTEMPTS):
            with self.session() as session:
                job = jobs.get(session, job_id)
                if job is None or job.state.ended:
                    return False
                if decide(session, job):
                    return True
        return False


def log(message: str, job: Job, *, action: str, level: int = logging.INFO) -> None:
    logger.log(level, message, extra={"action": action, **_ids(job)})


def _ids(job: Job) -> dict[str, str]:
    """By which a job is followed through the logs."""
    return {JOB_ID: job.id} | ({REQUEST_ID: job.request_id} if job.request_id else {})


def passed_over(job: Job, action: str, error: Exception) -> None:
    """Log the failure: one job's failure must not keep the others from their turn."""
    logger.error("job passed over", extra={"action": action, **_ids(job)}, exc_info=error)


def state_under_way(run: RunStatus) -> JobState:
    """The state of a job whose run has not ended."""
    return JobState.RUNNING if run.state is RunState.RUNNING else JobState.SUBMITTED


def attempts_of(status: RunStatus) -> list[dict[str, object]]:
    """The run's attempts as the database keeps them."""
    return [
        {
            "started_at": attempt.started_at.isoformat() if attempt.started_at else None,
            "stopped_at": attempt.stopped_at.isoformat() if attempt.stopped_at else None,
            "exit_code": attempt.exit_code,
            "reason": attempt.reason,
        }
        for attempt in status.attempts
    ]
