"""What a running worker tells of itself."""

from datetime import UTC, datetime
from typing import Any

import pytest

from api.executors.memory import MemoryExecutor
from api.jobs.schemas import JobOut
from storage import StorageError
from worker.contract import layout
from worker.contract.documents import Progress


@pytest.fixture
def running(hand: Any, executor: MemoryExecutor) -> str:
    job_id: str = hand.put()
    hand.turn()
    executor.start("run-1")
    return job_id


def write(hand: Any, job_id: str, **values: Any) -> None:
    progress = Progress(job_id=job_id, days_total=31, updated_at=datetime.now(UTC), **values)
    hand.store.put(layout.progress_key(job_id), progress.to_json())


def test_progress_is_shown(hand: Any, running: str) -> None:
    """Days and items stand in the job's body, and its message says what it waits for."""
    write(hand, running, days_done=3, items=1200)
    hand.turn()
    shown = JobOut.of(hand.job(running))
    assert shown.progress is not None
    assert (shown.progress.days_done, shown.progress.items) == (3, 1200)
    assert shown.message == "Running (harvesting): 3 of 31 days."
    write(hand, running, days_done=3, waiting_for="the STAC API, which answers 429")
    hand.turn()
    assert JobOut.of(hand.job(running)).message == "Running, and waiting for the STAC API, which answers 429."


def test_progress_is_read_seldom(hand: Any, running: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in each pass, but once in the time that is set."""
    patient, reads = hand.wait(progress=60), []
    get = hand.store.get

    def counted(key: str) -> bytes:
        reads.append(key)
        content: bytes = get(key)
        return content

    monkeypatch.setattr(hand.store, "get", counted)
    patient.turn(4)
    assert reads == [layout.progress_key(running)]


@pytest.mark.parametrize("content", [b"{", b"{}", b"\xff"])
def test_progress_that_cannot_be_read_is_passed_over(hand: Any, running: str, content: bytes) -> None:
    """A broken document changes nothing and fails nothing; the next good one is shown."""
    hand.store.put(layout.progress_key(running), content)
    hand.turn()
    assert hand.job(running).progress is None
    write(hand, running, days_done=1)
    hand.turn()
    assert hand.job(running).progress["daysDone"] == 1


def test_an_archive_that_is_away_hides_progress_only(hand: Any, running: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job's state is followed all the same."""

    def away(_key: str) -> bytes:
        raise StorageError("the archive is away")

    monkeypatch.setattr(hand.store, "get", away)
    hand.turn()
    assert hand.job(running).state == "running"
