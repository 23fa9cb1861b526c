"""The executor in memory: the faults that it plays on order."""

import pytest

from api.executors.base import ExecutorUnavailable, RunState, SubmissionRefused, SubmissionUncertain, Throttled
from api.executors.memory import MemoryExecutor
from tests.api.executors.conftest import params_of
from worker.contract import compute
from worker.contract.exits import FailureCode

NAME = compute.job_name("202401", "a")


def test_faults_of_a_submission_that_was_not_taken() -> None:
    """Throttled, refused and lost submissions leave no run, each as often as ordered."""
    executor = MemoryExecutor()
    executor.throttle(2)
    executor.refuse()
    executor.lose_submissions()
    for fault in (Throttled, Throttled, SubmissionRefused, SubmissionUncertain):
        with pytest.raises(fault):
            executor.submit(params_of("a"))
    assert list(executor.find(NAME)) == []
    executor.submit(params_of("a"))
    assert len(executor.find(NAME)) == 1


def test_a_reply_that_is_lost_leaves_a_run() -> None:
    """A submission that was taken without an answer is there, and sending it again makes a double, oldest first."""
    executor = MemoryExecutor()
    executor.lose_replies()
    with pytest.raises(SubmissionUncertain):
        executor.submit(params_of("a"))
    [first] = executor.find(NAME)
    second = executor.submit(params_of("a"))
    assert [status.ref for status in executor.find(NAME)] == [first.ref, second.ref]


def test_find_lags() -> None:
    """A new run stays hidden from as many lookups as ordered, while polling its ref knows it."""
    executor = MemoryExecutor()
    executor.lag(finds=2)
    ref = executor.submit(params_of("a")).ref
    assert [len(executor.find(NAME)) for _ in range(3)] == [0, 0, 1]
    assert executor.poll([ref])[ref].state is RunState.SUBMITTED


def test_an_interrupted_run_waits_for_its_next_attempt() -> None:
    """An interruption leads back to submitted with the attempt on record; the next attempt has a log of its own."""
    executor = MemoryExecutor()
    ref = executor.submit(params_of("a")).ref
    executor.start(ref)
    executor.interrupt(ref, None, reason="Host EC2 terminated")
    status = executor.poll([ref])[ref]
    assert (status.state, [attempt.reason for attempt in status.attempts]) == (
        RunState.SUBMITTED,
        ["Host EC2 terminated"],
    )
    executor.start(ref)
    executor.fail(ref, None, reason="Host EC2 terminated", failure=FailureCode.INTERRUPTED)
    ended = executor.poll([ref])[ref]
    assert (ended.failure, len(ended.attempts)) == (FailureCode.INTERRUPTED, 2)
    assert ended.log_ref != status.log_ref


def test_a_run_vanishes_and_an_executor_goes_away() -> None:
    """A forgotten run is unknown to poll and find; during an outage every call fails with its reason."""
    executor = MemoryExecutor()
    ref = executor.submit(params_of("a")).ref
    executor.vanish(ref)
    assert executor.poll([ref]) == {}
    executor.terminate(ref, "late")
    assert executor.terminated == {}
    executor.outage = "down for an hour"
    for call in (executor.check, lambda: executor.find(NAME), lambda: executor.submit(params_of("b"))):
        with pytest.raises(ExecutorUnavailable, match="down for an hour"):
            call()
