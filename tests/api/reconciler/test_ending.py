"""How jobs end: by the archive first, then by the executor's word, with every failure explained."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from api import db
from api.catalog import store as catalog
from api.executors.base import ExecutorUnavailable, RunState
from api.executors.memory import MemoryExecutor
from api.jobs.models import Job
from api.jobs.schemas import JobOut
from api.jobs.states import JobState
from storage import StorageError
from tests.api.catalog.partition_files import put_partition
from worker.contract import layout
from worker.contract.exits import FAILURE_OF_EXIT, REMEDY, ExitCode, FailureCode
from worker.contract.month import Month


def test_a_job_succeeds_once_its_result_is_there(hand: Any, executor: MemoryExecutor, running: str) -> None:
    """The executor's success and `result.json` together are ours."""
    hand.write_result(running)
    executor.succeed("run-1")
    hand.turn()
    job = hand.job(running)
    assert (job.state, job.failure_code) == (JobState.SUCCEEDED, None)
    assert job.ended_at is not None


def test_success_without_a_result_is_a_failure(hand: Any, executor: MemoryExecutor, running: str) -> None:
    """An executor that says SUCCEEDED while nothing was written is not believed."""
    executor.succeed("run-1")
    hand.turn()
    job = hand.job(running)
    assert (job.state, job.failure_code) == (JobState.FAILED, "APP")
    assert "wrote no result" in job.failure_message


def test_a_result_goes_before_the_exit_code(hand: Any, executor: MemoryExecutor, running: str) -> None:
    """A worker killed after it wrote its result has done its work; the event tells of the kill."""
    hand.write_result(running)
    executor.fail("run-1", 137)
    hand.turn()
    assert hand.job(running).state is JobState.SUCCEEDED
    assert "although: The worker ended with exit code 137" in hand.story(running)[-1]


@pytest.mark.parametrize(("exit_code", "cancelled"), [(74, False), (137, False), (0, False), (74, True)])
def test_a_month_that_was_published_without_a_result(
    hand: Any, executor: MemoryExecutor, running: str, exit_code: int, cancelled: bool
) -> None:
    """The archive went away behind the last write, or the worker was killed: the file's own footer is the proof, and
    the catalogue has it."""
    hand.decide(running, "run-1")
    rows = put_partition(hand.store, month=Month(2024, 1), job_id=running)
    if cancelled:
        hand.cancel(running)
    executor.succeed("run-1") if exit_code == 0 else executor.fail("run-1", exit_code)
    hand.turn()
    assert hand.job(running).state is JobState.SUCCEEDED
    assert "its partition is there, without a result" in hand.story(running)[-1]
    assert sum("too late" in reason for reason in hand.story(running)) == cancelled
    with hand.context.session() as session:
        [partition] = catalog.partitions(session)
        assert (partition.job_id, partition.items) == (running, len(rows))


@pytest.mark.parametrize("left", ["no decision", "another job's file", "no file", "a file that cannot be read"])
def test_a_failure_that_published_nothing(hand: Any, executor: MemoryExecutor, running: str, left: str) -> None:
    """Without a decision of its own and a file that names it a job that failed has failed."""
    if left != "no decision":
        hand.decide(running, "run-1")
    if left == "a file that cannot be read":
        hand.store.put(layout.partition_key("hls-data", Month(2024, 1)), b"PAR1")
    elif left != "no file":
        put_partition(hand.store, month=Month(2024, 1), job_id=running if left == "no decision" else "another")
    executor.fail("run-1", 74)
    hand.turn()
    assert hand.job(running).failure_code == "STORAGE"


def test_nobody_can_tell_whether_it_is_published(
    hand: Any, executor: MemoryExecutor, running: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the archive is away the job is not given up: a later pass looks again."""
    hand.decide(running, "run-1")
    put_partition(hand.store, month=Month(2024, 1), job_id=running)
    executor.fail("run-1", 74)
    with monkeypatch.context() as away:
        away.setattr(hand.context.catalog.archive, "get_range", _away)
        away.setattr(hand.context.catalog.archive, "head", _away)
        hand.turn()
        assert hand.job(running).state is JobState.RUNNING
    hand.turn()
    assert hand.job(running).state is JobState.SUCCEEDED


def _away(*_: object) -> Any:
    raise StorageError("could not read: the archive is away")


@pytest.mark.parametrize(
    ("exit_code", "failure", "code"),
    [
        *[(int(exit_code), None, code) for exit_code, code in FAILURE_OF_EXIT.items()],
        (1, None, FailureCode.APP),
        (139, None, FailureCode.APP),
        (137, FailureCode.OUT_OF_MEMORY, FailureCode.OUT_OF_MEMORY),
        (None, FailureCode.TIMEOUT, FailureCode.TIMEOUT),
        (None, FailureCode.INTERRUPTED, FailureCode.INTERRUPTED),
        (None, FailureCode.IMAGE, FailureCode.IMAGE),
        (None, FailureCode.CAPACITY, FailureCode.CAPACITY),
        (None, None, FailureCode.APP),
    ],
)
def test_every_failure_is_explained(
    hand: Any,
    executor: MemoryExecutor,
    running: str,
    exit_code: int | None,
    failure: FailureCode | None,
    code: FailureCode,
) -> None:
    """Code, what happened in the worker's words too, what to do, and the executor's own reason."""
    words = {"level": "error", "message": "the slice 2024-01-07T06:00/12:00 was refused", "action": "end"}
    executor.log("run-1", "something else", json.dumps(words))
    executor.fail("run-1", exit_code, reason="Host EC2 terminated", failure=failure)
    hand.turn()
    job = hand.job(running)
    assert (job.state, job.failure_code) == (JobState.FAILED, code)
    assert REMEDY[code] in job.failure_message
    assert "the slice 2024-01-07T06:00/12:00 was refused" in job.failure_message
    assert "(memory: Host EC2 terminated)" in job.failure_message
    if exit_code is not None:
        assert f"exit code {exit_code}" in job.failure_message
    assert job.log_tail == ["something else", json.dumps(words)]
    assert hand.story(running)[-1] == job.failure_message


@pytest.mark.parametrize("exit_code", [None, 75, 137, 143, 65])
def test_a_run_that_somebody_ended(
    hand: Any, executor: MemoryExecutor, running: str, monkeypatch: pytest.MonkeyPatch, exit_code: int | None
) -> None:
    """It is said that somebody did, and not that machines went away or that the worker failed by itself, unless the
    worker had a reason of its own."""
    executor.fail("run-1", exit_code, reason="not needed")
    ended = replace(executor.poll(["run-1"])["run-1"], ended_by_hand=True)
    monkeypatch.setattr(executor, "poll", lambda _refs: {"run-1": ended})
    hand.turn()
    job = hand.job(running)
    if exit_code == 65:
        assert (job.failure_code, "Somebody" in job.failure_message) == ("INCOMPLETE", False)
        return
    assert job.failure_code == "INTERRUPTED"
    assert job.failure_message.startswith("Somebody ended the run run-1 at memory")
    assert "or somebody ended it" in job.failure_message
    assert "(memory: not needed)" in job.failure_message


def test_words_that_no_database_takes_block_no_job(hand: Any, executor: MemoryExecutor, running: str) -> None:
    """Half a character, or a NUL, in the worker's last words, its log and the executor's reasons: replaced by a mark."""
    bad = "before \x00 \ud800 after"
    executor.log("run-1", f"said {bad}", json.dumps({"action": "end", "message": bad}))
    executor.interrupt("run-1", reason=bad)
    hand.turn()
    assert hand.job(running).native_reason == "before \ufffd \ufffd after"
    executor.fail("run-1", 1, reason=bad)
    hand.turn()
    job = hand.job(running)
    assert job.state is JobState.FAILED
    assert "in the last of" not in job.failure_message
    assert job.failure_message.count("before \ufffd \ufffd after") == 2
    assert job.log_tail[0] == "said before \ufffd \ufffd after"
    assert b"before" in json.dumps(JobOut.of(job).to_json(), ensure_ascii=False).encode()


def test_attempts_go_back_and_forth(hand: Any, executor: MemoryExecutor, running: str) -> None:
    """An executor's own retry leads from running back to submitted, and the last attempt ends the job."""
    executor.interrupt("run-1", reason="Host EC2 terminated")
    hand.turn()
    job = hand.job(running)
    assert job.state is JobState.SUBMITTED
    assert [attempt["exit_code"] for attempt in job.attempts] == [75]
    executor.start("run-1")
    hand.turn()
    executor.fail("run-1", ExitCode.INTERRUPTED)
    hand.turn()
    job = hand.job(running)
    assert (job.state, job.failure_code, len(job.attempts)) == (JobState.FAILED, "INTERRUPTED", 2)
    assert "in the last of 2 attempts" in job.failure_message


def test_a_state_that_comes_late_is_no_event(
    hand: Any, executor: MemoryExecutor, running: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an executor told before it told more, told again: nothing leads back but an attempt that has ended."""
    executor.interrupt("run-1")
    hand.turn()
    executor.start("run-1")
    hand.turn()
    before, told = hand.job(running), executor.poll(["run-1"])["run-1"]
    late = (
        replace(told, state=RunState.SUBMITTED, native_status="QUEUED", attempts=told.attempts[:1]),
        replace(told, state=RunState.SUBMITTED, native_status="QUEUED", attempts=()),
        replace(told, attempts=()),
    )
    for status in late:
        monkeypatch.setattr(executor, "poll", lambda _refs, status=status: {"run-1": status})
        hand.turn()
        job = hand.job(running)
        assert (job.state, job.native_status) == (JobState.RUNNING, before.native_status)
        assert len(job.attempts) == 2
    assert len(hand.story(running)) == 5


def test_a_state_that_is_told_again_is_no_event(hand: Any, executor: MemoryExecutor, running: str) -> None:
    """Passes without news change nothing: no event, no new version of the row beyond readings of progress."""
    patient = hand.wait(progress=3600)
    before = patient.job(running)
    patient.turn(3)
    assert patient.job(running).version == before.version
    assert len(patient.story(running)) == 3


def test_an_archive_that_is_away_ends_nothing(
    hand: Any, executor: MemoryExecutor, running: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While `result.json` cannot be looked for, success and failure are both open: the job waits for the archive."""
    hand.write_result(running)
    executor.fail("run-1", 1)

    def away(_key: str) -> None:
        raise StorageError("the archive is away")

    with monkeypatch.context() as patch:
        patch.setattr(hand.store, "head", away)
        hand.turn()
        assert hand.job(running).state is JobState.RUNNING
    hand.turn()
    assert hand.job(running).state is JobState.SUCCEEDED


def test_a_log_that_cannot_be_read_ends_the_job_without_it(
    hand: Any, executor: MemoryExecutor, running: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last lines are kept where they can be had; a job does not wait for them."""

    def away(_log_ref: str, _limit: int) -> None:
        raise ExecutorUnavailable("no logs")

    monkeypatch.setattr(executor, "tail", away)
    executor.fail("run-1", 1)
    hand.turn()
    assert (hand.job(running).state, hand.job(running).log_tail) == (JobState.FAILED, None)


def test_runs_are_polled_a_hundred_at_a_time(
    hand: Any, executor: MemoryExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """250 active jobs are asked for in three calls, each job once."""
    patient = hand.wait(lost=60)
    with hand.context.session() as session:
        for number in range(250):
            values = {"id": f"{number:016x}", "state": JobState.SUBMITTED, "run_ref": f"run-{number}"}
            dataset = {"prefix": f"p{number}", "year_month": "202401", "params": "{}", "stage_id": "x"}
            session.add(Job.model_validate({**values, **dataset, "created_at": db.now()}))
    calls: list[list[str]] = []

    def poll(refs: Sequence[str]) -> dict[str, Any]:
        calls.append(list(refs))
        return {}

    monkeypatch.setattr(executor, "poll", poll)
    patient.turn()
    assert [len(refs) for refs in calls] == [100, 100, 50]
    assert len({ref for refs in calls for ref in refs}) == 250
