"""Submissions whose reply was lost, or that another leader sent too: one run is kept, and the others are stopped."""

from datetime import timedelta
from typing import Any

import pytest

from api import db
from api.executors.base import ExecutorUnavailable, RunState, SubmissionRefused, Throttled
from api.executors.memory import MemoryExecutor
from api.jobs.states import JobState
from api.reconciler.submit import submit_pending
from worker.contract import layout


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
