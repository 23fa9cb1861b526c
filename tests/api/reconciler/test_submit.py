"""Submission neither loses a job nor doubles it, on both databases."""

from datetime import timedelta
from typing import Any

import pytest

from api import db
from api.executors.base import ExecutorUnavailable, RunState, SubmissionRefused, Throttled
from api.executors.memory import MemoryExecutor
from api.jobs.schemas import JobOut
from api.jobs.states import JobState
from api.reconciler.submit import submit_pending
from storage import StorageError
from worker.contract import layout
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


def test_a_lost_reply_makes_no_second_run(hand: Any, executor: MemoryExecutor) -> None:
    """The submission arrived and its reply did not: the run is found by its name, also when the list lags."""
    patient = hand.wait(lookup=60)
    job_id = patient.put()
    executor.lag(2)
    executor.lose_replies()
    patient.turn(3)
    assert patient.job(job_id).state is JobState.PENDING
    patient.turn()
    assert patient.job(job_id).run_ref == "run-1"
    assert list(executor.submitted) == ["run-1"]
    assert any("found the submission by its name as run-1" in reason for reason in patient.story(job_id))


def test_a_lost_submission_is_sent_again_after_a_while(hand: Any, executor: MemoryExecutor) -> None:
    """It is looked up until its time is over, and only then sent a second time."""
    patient = hand.wait(lookup=60)
    job_id = patient.put()
    executor.lose_submissions()
    patient.turn(3)
    assert executor.submitted == {}
    patient.change(job_id, submitting_since=db.now() - timedelta(seconds=61))
    patient.turn()
    assert patient.job(job_id).run_ref == "run-1"


def test_a_crash_before_the_submission_loses_nothing(hand: Any, executor: MemoryExecutor) -> None:
    """The mark stands, the executor was never called: the job is submitted by whoever leads next."""
    job_id = hand.put()
    hand.change(job_id, submitting_since=db.now())
    hand.turn()
    assert hand.job(job_id).run_ref == "run-1"
    assert len(executor.submitted) == 1


def test_a_crash_after_the_submission_doubles_nothing(hand: Any, executor: MemoryExecutor) -> None:
    """The executor took it, and the service died before it could write so: the run is adopted in the state it has."""
    job_id = hand.put()
    hand.turn()
    executor.start("run-1")
    hand.change(
        job_id, state=JobState.PENDING, submitting_since=db.now() - timedelta(hours=1), run_ref=None, definition=None
    )
    hand.turn()
    job = hand.job(job_id)
    assert (job.run_ref, job.state) == ("run-1", JobState.RUNNING)
    assert len(executor.submitted) == 1


def test_of_two_runs_that_are_seen_one_is_kept(hand: Any, executor: MemoryExecutor) -> None:
    """A list that lags longer than the wait makes a double: the run that is ahead is adopted, the other stopped."""
    job_id = hand.put()
    executor.lag(1)
    executor.lose_replies()
    executor.lose_replies()
    hand.turn(2)  # sends, finds nothing, sends again
    assert list(executor.submitted) == ["run-1", "run-2"]
    executor.start("run-2")
    executor.find(hand.job(job_id).run_name)  # so long until the list shows both
    hand.turn()
    assert hand.job(job_id).run_ref == "run-2"
    assert list(executor.terminated) == ["run-1"]


@pytest.mark.parametrize("end", ["succeed", "cancel"])
def test_a_double_that_shows_up_later_is_stopped_at_the_end(hand: Any, executor: MemoryExecutor, end: str) -> None:
    """The second run was not listed yet when the first was adopted; when the job ends, it is stopped."""
    job_id = hand.put()
    executor.lag(1)
    executor.lose_replies()
    hand.turn(2)
    hand.change(job_id, state=JobState.PENDING, submitting_since=db.now(), run_ref=None)
    hand.turn()
    assert hand.job(job_id).run_ref == "run-1"
    assert executor.terminated == {}
    if end == "succeed":
        hand.write_result(job_id)
        executor.succeed("run-1")
    else:
        hand.cancel(job_id)
    hand.turn(2)
    assert hand.job(job_id).state.ended
    assert "run-2" in executor.terminated


def test_a_submission_that_another_leader_overtook_is_stopped(
    hand: Any, executor: MemoryExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A leader that slept in the middle of its call finds the job with another run, and stops its own."""
    job_id = hand.put()
    submit = executor.submit

    def slow(params: Any) -> Any:
        mine = submit(params)
        other = submit(params)
        hand.change(job_id, state=JobState.SUBMITTED, run_ref=other.ref, submitting_since=None)
        return mine

    monkeypatch.setattr(executor, "submit", slow)
    hand.turn()
    assert hand.job(job_id).run_ref == "run-2"
    assert executor.terminated == {"run-1": "another run does this job"}


def test_a_cancel_that_meets_an_unconfirmed_submission(hand: Any, executor: MemoryExecutor) -> None:
    """Never found: cancelled, with a decision in the archive should it arrive late. Found: stopped like any other."""
    lost, found = hand.put("202401"), hand.put("202402")
    executor.lose_submissions()
    patient = hand.wait(lookup=60)
    patient.turn()
    patient.cancel(lost)
    assert patient.job(lost).state is JobState.PENDING
    hand.turn()
    assert hand.job(lost).state is JobState.CANCELLED
    assert b'"cancel"' in hand.store.get(layout.decision_key(lost))
    hand.change(found, state=JobState.PENDING, submitting_since=db.now(), run_ref=None)
    hand.cancel(found)
    hand.turn(2)
    assert hand.job(found).state is JobState.CANCELLED
    assert executor.poll(["run-1"])["run-1"].state is RunState.FAILED


def test_a_look_up_that_another_leader_overtook_stops_its_own_choice(
    hand: Any, executor: MemoryExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs of a job, and each leader chose one: what the job's row says is kept, and the other is stopped."""
    job_id = hand.put()
    executor.lose_replies()
    hand.turn()
    executor.submit(executor.submitted["run-1"])
    executor.start("run-1")
    find = executor.find

    def slow(name: str) -> Any:
        runs = find(name)
        hand.change(job_id, state=JobState.SUBMITTED, run_ref="run-2", submitting_since=None)
        monkeypatch.undo()
        return runs

    monkeypatch.setattr(executor, "find", slow)
    hand.turn()
    assert (hand.job(job_id).state, hand.job(job_id).run_ref) == (JobState.SUBMITTED, "run-2")
    assert list(executor.terminated) == ["run-1"]


@pytest.mark.parametrize("fault", [Throttled, ExecutorUnavailable, SubmissionRefused])
def test_a_failed_submission_leaves_another_leader_its_mark(
    hand: Any, executor: MemoryExecutor, monkeypatch: pytest.MonkeyPatch, fault: type[Exception]
) -> None:
    """A leader that slept in the middle of its call: another one has sent the job since, perhaps with success."""
    job_id, mark = hand.put(), db.now() + timedelta(seconds=1)

    def slow(_params: Any) -> None:
        hand.change(job_id, submitting_since=mark, submissions=2)
        raise fault("not now")

    monkeypatch.setattr(executor, "submit", slow)
    hand.turn()
    job = hand.job(job_id)
    assert (job.state, job.submitting_since, job.submissions) == (JobState.PENDING, mark, 2)


@pytest.mark.parametrize("fault", ["refused", "cancelled"])
def test_an_end_leaves_a_job_that_another_leader_submitted(
    hand: Any, executor: MemoryExecutor, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """What never was submitted ends; while that is decided another leader finds its run, and the job goes on."""
    job_id = hand.put()
    adopted = {"state": JobState.SUBMITTED, "run_ref": "run-1", "submitting_since": None}
    if fault == "cancelled":
        executor.lag(1)
        executor.lose_replies()
        hand.wait(lookup=60).turn()
        hand.cancel(job_id)
    submit, create = executor.submit, hand.store.create

    def slow_submit(params: Any) -> None:
        submit(params)
        hand.change(job_id, **adopted)
        raise SubmissionRefused("not so")

    def slow_create(key: str, data: bytes) -> Any:
        monkeypatch.undo()
        hand.change(job_id, **adopted)
        return create(key, data)

    monkeypatch.setattr(executor, "submit", slow_submit)
    monkeypatch.setattr(hand.store, "create", slow_create)
    submit_pending(hand.context)
    job = hand.job(job_id)
    assert (job.state, job.run_ref) == (JobState.SUBMITTED, "run-1")


@pytest.mark.parametrize("cancelled", [False, True])
def test_an_unlisted_run_that_decided_to_publish_is_followed(
    hand: Any, executor: MemoryExecutor, cancelled: bool
) -> None:
    """Its decision names it: the job is neither sent again nor cancelled, and succeeds with its result."""
    job_id = hand.put()
    executor.lag(10)
    executor.lose_replies()
    hand.wait(lookup=60).turn()
    executor.start("run-1")
    hand.decide(job_id, "run-1")
    if cancelled:
        hand.cancel(job_id)
    hand.turn(2)
    assert (hand.job(job_id).state, hand.job(job_id).run_ref) == (JobState.RUNNING, "run-1")
    assert list(executor.submitted) == ["run-1"]
    assert executor.terminated == {}
    hand.write_result(job_id)
    executor.succeed("run-1")
    hand.turn()
    assert hand.job(job_id).state is JobState.SUCCEEDED
    assert any("too late" in reason for reason in hand.story(job_id)) is cancelled


def test_a_second_submission_that_is_refused_lets_no_first_one_publish(hand: Any, executor: MemoryExecutor) -> None:
    """The job fails as refused, so the run of the first submission, should there be one, must not publish."""
    job_id = hand.put()
    executor.lag(10)
    executor.lose_replies()
    hand.turn()
    executor.refuse()
    hand.turn()
    assert hand.job(job_id).state is JobState.FAILED
    assert b'"cancel"' in hand.store.get(layout.decision_key(job_id))


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


@pytest.mark.parametrize("refusal", [Throttled, ExecutorUnavailable])
def test_a_second_submission_that_does_not_happen_forgets_nothing(
    hand: Any, executor: MemoryExecutor, monkeypatch: pytest.MonkeyPatch, refusal: type[Exception]
) -> None:
    """The first one may have arrived: a cancel waits for it, and its run is stopped once it shows up."""

    def refused(_params: Any) -> None:
        raise refusal("not now")

    job_id = hand.put()
    executor.lag(2)
    executor.lose_replies()
    hand.turn()
    with monkeypatch.context() as patch:
        patch.setattr(executor, "submit", refused)
        hand.turn()
    hand.cancel(job_id)
    assert hand.job(job_id).state is JobState.PENDING
    hand.wait(lookup=60).turn(2)
    assert executor.terminated == {"run-1": "cancelled by ada"}
    assert b'"cancel"' in hand.store.get(layout.decision_key(job_id))


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
