"""Runs that the executor has forgotten, or has twice: they are looked for, forbidden to publish, and waited for."""

import json
from datetime import timedelta
from typing import Any

import pytest

from api import db
from api.executors.memory import MemoryExecutor
from api.jobs.states import JobState
from worker.contract import compute, layout
from worker.contract.documents import Decision
from worker.contract.exits import ExitCode


def test_an_unknown_run_is_lost_after_a_while(hand: Any, executor: MemoryExecutor, running: str) -> None:
    """It may come back within the time; after it the job ends as LOST, and says what to do."""
    patient = hand.wait(lost=60)
    executor.vanish("run-1")
    patient.turn(2)
    job = patient.job(running)
    assert job.state is JobState.RUNNING
    assert job.missing_since is not None
    patient.change(running, missing_since=db.now() - timedelta(seconds=61))
    patient.turn()
    job = patient.job(running)
    assert (job.state, job.failure_code) == (JobState.FAILED, "LOST")
    assert "has not known the run run-1 since" in job.failure_message
    assert "Retry" in job.failure_message


def test_a_run_that_is_known_again_is_not_lost(hand: Any, executor: MemoryExecutor, running: str) -> None:
    """A gap in what the executor tells leaves no trace."""
    hand.wait(lost=60).turn()
    hand.change(running, missing_since=db.now())
    hand.turn()
    assert hand.job(running).missing_since is None
    assert hand.job(running).state is JobState.RUNNING


def test_a_lost_run_with_a_result_has_succeeded(hand: Any, executor: MemoryExecutor, running: str) -> None:
    """What the archive holds goes before what the executor has forgotten."""
    executor.vanish("run-1")
    hand.write_result(running)
    hand.turn(2)
    assert hand.job(running).state is JobState.SUCCEEDED


def _forgotten(executor: MemoryExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for by its ref the run is not known, though it goes on."""
    monkeypatch.setattr(executor, "poll", lambda _refs: {})


def test_a_run_that_is_still_listed_is_not_lost(
    hand: Any, executor: MemoryExecutor, running: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not known by its ref and found by its name: it is followed by what the list says, to its end."""
    _forgotten(executor, monkeypatch)
    hand.turn(4)
    assert hand.job(running).state is JobState.RUNNING
    executor.fail("run-1", ExitCode.INCOMPLETE)
    hand.turn(2)
    assert hand.job(running).failure_code == "INCOMPLETE"


def test_a_lost_run_must_not_publish(
    hand: Any, executor: MemoryExecutor, running: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should it be under way all the same: the decision forbids it to publish, and it is asked to stop."""
    _forgotten(executor, monkeypatch)
    monkeypatch.setattr(executor, "find", lambda _name: [])
    hand.turn(2)
    assert hand.job(running).failure_code == "LOST"
    assert json.loads(hand.store.get(layout.decision_key(running)))["action"] == "cancel"
    assert list(executor.terminated) == ["run-1"]


def test_a_lost_run_that_decided_to_publish_is_waited_for(hand: Any, executor: MemoryExecutor, running: str) -> None:
    """It may be at its last write: it succeeds with its result, and is lost once no attempt can last any longer."""
    hand.decide(running, "run-1")
    executor.vanish("run-1")
    hand.turn(3)
    assert hand.job(running).state is JobState.RUNNING
    old = Decision(action="publish", run="run-1", at=db.now() - compute.TIMEOUT)
    hand.store.put(layout.decision_key(running), old.to_json())
    hand.turn()
    assert hand.job(running).failure_code == "LOST"


def test_a_double_that_succeeds_between_two_looks(
    hand: Any, executor: MemoryExecutor, running: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The result was not there, then the double ended, and no list shows it as under way: the job has succeeded."""
    find = executor.find

    def slow(name: str) -> Any:
        hand.write_result(running)
        return find(name)

    executor.fail("run-1", ExitCode.CANCELLED)
    monkeypatch.setattr(executor, "find", slow)
    hand.turn()
    assert hand.job(running).state is JobState.SUCCEEDED


def test_a_double_that_nobody_lists_is_waited_for(hand: Any, executor: MemoryExecutor, running: str) -> None:
    """It was submitted twice and the other run has decided to publish: what it makes of that ends the job."""
    hand.change(running, submissions=2)
    hand.decide(running, "run-2")
    executor.fail("run-1", ExitCode.CANCELLED)
    hand.turn(2)
    assert hand.job(running).state is JobState.RUNNING
    hand.write_result(running)
    hand.turn()
    assert hand.job(running).state is JobState.SUCCEEDED


def test_a_failed_run_gives_way_to_its_double(hand: Any, executor: MemoryExecutor, running: str) -> None:
    """A run that ends with 76 because its double publishes: the job follows the double to its end."""
    executor.submit(executor.submitted["run-1"])
    executor.start("run-2")
    hand.decide(running, "run-2")
    executor.fail("run-1", ExitCode.CANCELLED)
    hand.turn()
    job = hand.job(running)
    assert (job.state, job.run_ref) == (JobState.RUNNING, "run-2")
    hand.write_result(running)
    executor.succeed("run-2")
    hand.turn()
    assert hand.job(running).state is JobState.SUCCEEDED


def test_a_double_that_waits_is_followed_from_its_beginning(hand: Any, executor: MemoryExecutor, running: str) -> None:
    """A job whose run fails after two attempts goes back to its double, which has made none, and runs with it."""
    executor.submit(executor.submitted["run-1"])
    executor.interrupt("run-1")
    executor.start("run-1")
    hand.turn()
    executor.fail("run-1", 1)
    hand.turn()
    job = hand.job(running)
    assert (job.state, job.run_ref, job.attempts) == (JobState.SUBMITTED, "run-2", [])
    executor.start("run-2")
    hand.turn()
    assert (hand.job(running).state, len(hand.job(running).attempts)) == (JobState.RUNNING, 1)


def test_a_superseded_run_without_its_double_is_a_conflict(hand: Any, executor: MemoryExecutor, running: str) -> None:
    """76 without a cancel, a result or another run: the job fails, and says that another run had decided."""
    hand.decide(running, "elsewhere")
    executor.fail("run-1", ExitCode.CANCELLED)
    hand.turn()
    job = hand.job(running)
    assert (job.state, job.failure_code) == (JobState.FAILED, "CONFLICT")
    assert "another run of this job had decided" in job.failure_message
