"""The last lines of the log: kept when the job ends, and read again for a while where they come late."""

import json
from datetime import timedelta
from typing import Any

import pytest

from api import db
from api.executors.memory import MemoryExecutor
from api.jobs.models import Job
from api.jobs.states import JobState
from api.reconciler.last_lines import FIRST_LOOK, LAST_LOOK
from worker.contract.exits import REMEDY, FailureCode

SAID = "the slice 2024-01-07T06:00/12:00 was refused."
LAST = json.dumps({"level": "error", "message": SAID, "action": "end"})


def later(hand: Any, job_id: str, passed: timedelta) -> Job:
    """The job after a pass at so much time after its end."""
    back = db.now() - passed
    hand.change(job_id, ended_at=back, log_due_at=back + FIRST_LOOK)
    hand.turn()
    job: Job = hand.job(job_id)
    return job


@pytest.mark.parametrize("first", [(), ("the run begins",)], ids=["nothing", "the beginning"])
def test_a_log_that_comes_late(hand: Any, executor: MemoryExecutor, running: str, first: tuple[str, ...]) -> None:
    """What had not arrived when the job failed is kept later, and the failure is then told in the worker's words."""
    executor.log("run-1", *first)
    executor.fail("run-1", 65, reason="Essential container in task exited")
    hand.turn()
    before = hand.job(running)
    assert (before.state, before.log_tail) == (JobState.FAILED, list(first))
    executor.log("run-1", "the day 2024-01-07", LAST)
    hand.turn()
    assert hand.job(running).log_tail == list(first), "it is not read at every pass"

    job = later(hand, running, FIRST_LOOK)
    assert job.log_tail == [*first, "the day 2024-01-07", LAST]
    assert job.log_due_at is None
    remedy = REMEDY[FailureCode.INCOMPLETE]
    ending = f"exit code 65: {SAID} {remedy} (memory: Essential container in task exited)"
    assert job.failure_message == f"The worker ended with {ending}"
    assert hand.story(running)[-1] == f"the log came after the end; the worker's last words: {SAID}"


def test_a_log_that_is_whole_is_not_read_again(hand: Any, executor: MemoryExecutor, running: str) -> None:
    """Once the worker's last words are there, nothing is missing."""
    executor.log("run-1", LAST)
    executor.fail("run-1", 65)
    hand.turn()
    assert hand.job(running).log_due_at is None


def test_a_log_that_never_comes(hand: Any, executor: MemoryExecutor, running: str) -> None:
    """It is read again after as long a time as has passed since the end, and in the end no more."""
    executor.fail("run-1", 137)
    hand.turn()
    passed = timedelta(seconds=40)
    due = later(hand, running, passed).log_due_at
    assert due is not None
    assert abs(due - db.now() - passed) < timedelta(seconds=10)
    assert later(hand, running, LAST_LOOK).log_due_at is None
    assert hand.job(running).log_tail == []


def test_a_log_that_cannot_be_read(
    hand: Any, executor: MemoryExecutor, running: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While CloudWatch is away what was kept stays, and it is asked again."""
    executor.log("run-1", "the run begins")
    executor.fail("run-1", 65)
    hand.turn()
    with monkeypatch.context() as away:
        away.setattr(executor, "tail", _away)
        job = later(hand, running, FIRST_LOOK)
    assert job.log_tail == ["the run begins"]
    assert job.log_due_at is not None
    executor.log("run-1", LAST)
    assert later(hand, running, FIRST_LOOK).log_tail == ["the run begins", LAST]


def _away(*_: object) -> Any:
    raise OSError("the log is away")


def test_a_job_that_succeeded(hand: Any, executor: MemoryExecutor, running: str) -> None:
    """Its last lines are kept too, without another word."""
    hand.write_result(running)
    executor.succeed("run-1")
    hand.turn()
    told = hand.story(running)
    executor.log("run-1", json.dumps({"message": "the partition is published", "action": "end"}))
    job = later(hand, running, FIRST_LOOK)
    assert (len(job.log_tail or ()), job.failure_message) == (1, None)
    assert hand.story(running) == told


def test_a_job_that_never_ran(hand: Any) -> None:
    """It has no log to wait for."""
    job_id = hand.put()
    hand.cancel(job_id)
    hand.turn()
    assert hand.job(job_id).log_due_at is None
