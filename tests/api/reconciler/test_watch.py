"""Following many runs while the executor or the archive fails for some of them, or for all."""

from collections.abc import Sequence
from typing import Any

import pytest

from api import db
from api.executors.base import ExecutorUnavailable
from api.executors.memory import MemoryExecutor
from api.jobs.models import Job
from api.jobs.states import JobState
from api.reconciler.loop import Reconciler
from storage import StorageError

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def three_pages(hand: Any) -> Any:
    """250 submitted jobs, whose runs the executor never heard of; they are lost after a minute."""
    with hand.context.session() as session:
        for number in range(250):
            values = {"id": f"{number:016x}", "state": JobState.SUBMITTED, "run_ref": f"run-{number}"}
            dataset = {"prefix": f"p{number}", "year_month": "202401", "params": "{}", "stage_id": "x"}
            session.add(Job.model_validate({**values, **dataset, "created_at": db.now()}))
    return hand.wait(lost=60)


class Poll:
    """Fails for the first page of each pass; `pages` has the sizes of all that were asked for."""

    def __init__(self) -> None:
        self.pages: list[int] = []

    def __call__(self, refs: Sequence[str]) -> dict[str, Any]:
        self.pages.append(len(refs))
        if "run-0" in refs:
            raise ExecutorUnavailable("away")
        return {}


def passed(hand: Any) -> bool:
    reconciler = Reconciler(hand.context, interval=0.01)
    try:
        return reconciler.pass_once()
    finally:
        reconciler.close()


def test_a_page_that_fails_holds_back_no_other(
    three_pages: Any, executor: MemoryExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other pages are asked for, and the pass is no good one: somebody must hear that jobs are not followed."""
    monkeypatch.setattr(executor, "poll", poll := Poll())
    assert not passed(three_pages)
    assert poll.pages == [100, 100, 50]
    assert three_pages.job(f"{0:016x}").missing_since is None
    assert three_pages.job(f"{249:016x}").missing_since is not None


def test_an_executor_that_hangs_is_waited_for_once(
    three_pages: Any, executor: MemoryExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What takes too long for one page would for the next: the step pauses until the next pass."""
    monkeypatch.setattr("api.reconciler.context.PATIENCE_SECONDS", 0)
    monkeypatch.setattr(executor, "poll", poll := Poll())
    assert not passed(three_pages)
    assert poll.pages == [100]


def test_an_archive_that_hangs_is_waited_for_once(
    hand: Any, executor: MemoryExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of jobs that have ended and jobs that run: the archive is asked once a pass, and every state is followed."""
    ids = [hand.put(f"2023{month:02d}") for month in range(1, 7)]
    hand.turn()
    asked: list[str] = []

    def away(key: str) -> None:
        asked.append(key)
        raise StorageError("the archive is away")

    for ref in ("run-1", "run-2", "run-3"):
        executor.fail(ref, 1)
    for ref in ("run-4", "run-5"):
        executor.start(ref)
    with monkeypatch.context() as patch:
        for call in ("head", "get", "create"):
            patch.setattr(hand.store, call, away)
        for number in range(1, 4):
            assert passed(hand)
            assert len(asked) == number
    waiting, runs = JobState.SUBMITTED, JobState.RUNNING
    assert [hand.job(job_id).state for job_id in ids] == [waiting] * 3 + [runs] * 2 + [waiting]
    hand.turn()
    assert [hand.job(job_id).state for job_id in ids[:3]] == [JobState.FAILED] * 3
