"""Submission neither loses a job nor doubles it, on both databases."""

from datetime import timedelta
from typing import Any

import pytest

from api import db
from api.executors.base import ExecutorUnavailable
from api.executors.memory import MemoryExecutor
from api.jobs.schemas import JobOut
from api.jobs.states import JobState
from storage import StorageError
from worker.contract.logs import JOB_ID


def test_a_pending_job_is_submitted_once(hand: Any, executor: MemoryExecutor) -> None:
    """Several passes make one run, told of the archive, the stage and the job, with several days at a time."""
    job_id = hand.put()
    hand.turn(3)
    ((ref, params),) = executor.submitted.items()
    assert (params.job_id, params.stage_id, params.parallel) == (job_id, job_id, True)
    assert params.destination == hand.store.uri
    job = hand.job(job_id)
    assert (job.state, job.run_ref, job.definition) == (JobState.SUBMITTED, ref, "memory:1")
    assert job.submitting_since is None


def test_jobs_are_submitted_in_the_order_of_their_arrival(hand: Any, executor: MemoryExecutor) -> None:
    """First come, first served."""
    ids = [hand.put(f"2023{month:02d}") for month in range(1, 6)]
    hand.turn()
    assert [params.job_id for params in executor.submitted.values()] == ids


def test_a_throttled_job_stays_pending_and_says_why(hand: Any, executor: MemoryExecutor) -> None:
    """429 is no failure: the pass pauses, the job's body says why it waits, and the next pass submits it."""
    first, second = hand.put("202401"), hand.put("202402")
    executor.throttle()
    hand.turn()
    assert executor.submitted == {}
    assert hand.job(first).submitting_since is None
    assert "too many requests" in hand.job(first).native_reason
    assert "too many requests" in hand.job(second).native_reason
    hand.turn()
    assert [params.job_id for params in executor.submitted.values()] == [first, second]
    assert hand.job(first).native_reason is None or "too many" not in hand.job(first).native_reason


@pytest.mark.parametrize("fault", ["throttled", "away", "uncertain"])
def test_every_pending_job_says_why_it_waits(hand: Any, executor: MemoryExecutor, fault: str) -> None:
    """One call fails and the pass pauses, so that a Batch that hangs is waited for once; each job's body has the
    reason, also of one that arrives later, until it is sent."""
    first, second = hand.put("202401"), hand.put("202402")
    executor.throttle(2 * (fault == "throttled"))
    executor.lose_submissions(2 * (fault == "uncertain"))
    executor.outage = "closed for repair" if fault == "away" else None
    words = {"throttled": "too many requests", "away": "closed for repair", "uncertain": "no reply, as ordered"}[fault]
    patient = hand.wait(lookup=60)
    patient.turn()
    assert words in JobOut.of(hand.job(second)).message
    assert (hand.job(first).submitting_since is not None) == (fault == "uncertain")
    assert hand.job(second).submitting_since is None
    third = hand.put("202403")
    patient.turn()
    assert words in JobOut.of(hand.job(third)).message
    executor.outage = None
    hand.turn(2)
    assert [hand.job(job_id).state for job_id in (first, second, third)] == [JobState.SUBMITTED] * 3
    assert [hand.job(job_id).native_reason for job_id in (first, second, third)] == [None] * 3


def test_an_executor_that_is_away_is_waited_for(hand: Any, executor: MemoryExecutor) -> None:
    """Nothing fails while the executor cannot be reached; the jobs go on when it is back."""
    job_id = hand.put()
    executor.outage = "closed"
    hand.turn(3)
    assert hand.job(job_id).state is JobState.PENDING
    executor.outage = None
    hand.turn()
    assert hand.job(job_id).state is JobState.SUBMITTED


def test_a_refused_job_fails_as_bad_request(hand: Any, executor: MemoryExecutor) -> None:
    """What the executor will never take ends the job, with its reason and what to do."""
    job_id = hand.put()
    executor.refuse()
    hand.turn()
    job = hand.job(job_id)
    assert (job.state, job.failure_code) == (JobState.FAILED, "BAD_REQUEST")
    assert "refused, as ordered" in job.failure_message
    assert "Submit a corrected job" in job.failure_message


def test_a_cancel_during_a_throttled_submission(hand: Any, executor: MemoryExecutor, monkeypatch: Any) -> None:
    """Asked while the submission was under way, which then did not happen: cancelled and never submitted."""
    job_id = hand.put()
    submit = executor.submit

    def cancelled_meanwhile(params: Any) -> Any:
        hand.cancel(job_id)
        return submit(params)

    monkeypatch.setattr(executor, "submit", cancelled_meanwhile)
    executor.throttle()
    hand.turn(2)
    assert hand.job(job_id).state is JobState.CANCELLED
    assert executor.submitted == {}


@pytest.mark.parametrize("fault", ["list", "archive"])
def test_a_look_up_that_fails_holds_back_no_other_job(
    hand: Any, executor: MemoryExecutor, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """Two uncertain submissions stand first and nobody can tell what became of them: what came later is sent, and one
    failure is enough to know that."""
    uncertain = [hand.put("202401"), hand.put("202402")]
    for job_id in uncertain:
        hand.change(job_id, submitting_since=db.now(), submissions=1)
    later, asked = hand.put("202403"), []

    def away(name: str) -> None:
        asked.append(name)
        raise (ExecutorUnavailable if fault == "list" else StorageError)("away")

    monkeypatch.setattr(executor, "find", away) if fault == "list" else monkeypatch.setattr(hand.store, "get", away)
    hand.turn()
    assert hand.job(later).state is JobState.SUBMITTED
    assert [hand.job(job_id).state for job_id in uncertain] == [JobState.PENDING] * 2
    assert len(asked) == 1
    monkeypatch.undo()
    hand.turn()
    assert len(executor.submitted) == 3


def test_a_cancelled_job_ends_while_others_are_throttled(
    hand: Any, executor: MemoryExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was asked for while its submission was under way, which did not happen; an older job still pauses each pass."""
    job_id = hand.put("202402")
    submit = executor.submit

    def cancelled_meanwhile(params: Any) -> Any:
        hand.cancel(job_id)
        return submit(params)

    executor.throttle(2)
    with monkeypatch.context() as patch:
        patch.setattr(executor, "submit", cancelled_meanwhile)
        hand.turn()
    older = hand.put("202401")
    hand.change(older, created_at=hand.job(job_id).created_at - timedelta(hours=1))
    hand.turn()
    assert hand.job(job_id).state is JobState.CANCELLED


def test_one_job_that_cannot_be_submitted_does_not_stop_the_others(
    hand: Any, executor: MemoryExecutor, monkeypatch: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """An unexpected fault of one submission is logged, and the next job has its turn."""
    first, second = hand.put("202401"), hand.put("202402")
    submit = executor.submit

    def fragile(params: Any) -> Any:
        if params.job_id == first:
            raise RuntimeError("broken")
        return submit(params)

    monkeypatch.setattr(executor, "submit", fragile)
    hand.turn()
    assert hand.job(second).state is JobState.SUBMITTED
    assert hand.job(first).state is JobState.PENDING
    assert any(record.__dict__.get(JOB_ID) == first and record.exc_info for record in caplog.records)
