"""Cancelled and nothing published, or published and told that it was too late: never both, never neither."""

import json
from datetime import timedelta
from typing import Any

import pytest

from api import db
from api.executors.base import ExecutorUnavailable
from api.executors.memory import MemoryExecutor
from api.jobs.states import JobState
from api.reconciler.cancel import act_on_cancels
from storage import StorageError
from worker.contract import layout


def test_a_cancel_in_time(hand: Any, executor: MemoryExecutor, running: str) -> None:
    """The decision is in the archive before the run is stopped; the job ends as cancelled, by whom is told."""
    hand.cancel(running)
    hand.turn(2)
    assert hand.job(running).state is JobState.CANCELLED
    assert json.loads(hand.store.get(layout.decision_key(running)))["action"] == "cancel"
    assert executor.terminated == {"run-1": "cancelled by ada"}
    assert "the cancel holds: no run may publish any more" in hand.story(running)
    assert hand.story(running)[-1] == "the run run-1 has stopped; nothing was published"


def test_a_cancel_too_late(hand: Any, executor: MemoryExecutor, running: str) -> None:
    """The worker had decided to publish: it is left alone, the job succeeds, and one event says that it was too late."""
    hand.decide(running, "run-1")
    hand.cancel(running)
    hand.turn(2)
    assert executor.terminated == {}
    hand.write_result(running)
    executor.succeed("run-1")
    hand.turn()
    assert hand.job(running).state is JobState.SUCCEEDED
    assert sum("too late" in reason for reason in hand.story(running)) == 1


def test_a_cancel_that_finds_the_run_ended(hand: Any, executor: MemoryExecutor, running: str) -> None:
    """Asked after the worker had finished and before anybody looked: published, and told as too late."""
    hand.decide(running, "run-1")
    hand.write_result(running)
    executor.succeed("run-1")
    hand.cancel(running)
    hand.turn()
    assert hand.job(running).state is JobState.SUCCEEDED
    assert sum("too late" in reason for reason in hand.story(running)) == 1


def test_a_cancel_between_a_look_and_its_consequence(
    hand: Any, executor: MemoryExecutor, running: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reconciler has seen the end, the cancel comes, then the end is written: never without the event."""
    hand.write_result(running)
    executor.succeed("run-1")
    tail = executor.tail

    def cancelled_meanwhile(log_ref: str, limit: int) -> Any:
        hand.cancel(running)
        return tail(log_ref, limit)

    monkeypatch.setattr(executor, "tail", cancelled_meanwhile)
    hand.turn()
    assert hand.job(running).state is JobState.SUCCEEDED
    assert sum("too late" in reason for reason in hand.story(running)) == 1


def test_a_stop_that_is_lost_is_repeated(
    hand: Any, executor: MemoryExecutor, running: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request to stop that had no effect is made again, after a while and not in each pass."""
    asked: list[str] = []
    monkeypatch.setattr(executor, "terminate", lambda ref, _reason: asked.append(ref))
    patient = hand.wait(terminate_again=60)
    patient.cancel(running)
    patient.turn(3)
    assert asked == ["run-1"]
    patient.change(running, terminated_at=db.now() - timedelta(seconds=61))
    patient.turn()
    assert asked == ["run-1", "run-1"]


def test_a_cancelled_run_that_vanishes_is_cancelled(hand: Any, executor: MemoryExecutor, running: str) -> None:
    """It is not LOST: nothing was published, which is what was asked for."""
    executor.vanish("run-1")
    hand.cancel(running)
    hand.turn(3)
    assert hand.job(running).state is JobState.CANCELLED


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b'{"action": "wait", "run": "run-1"}'])
def test_a_decision_that_cannot_be_read(hand: Any, executor: MemoryExecutor, running: str, content: bytes) -> None:
    """No worker publishes by it, so the cancel holds; an event tells of it, and the job ends."""
    hand.store.create(layout.decision_key(running), content)
    hand.cancel(running)
    hand.turn(2)
    assert hand.job(running).state is JobState.CANCELLED
    assert executor.terminated == {"run-1": "cancelled by ada"}
    assert sum("decision.json cannot be read" in reason for reason in hand.story(running)) == 1


def test_a_stop_that_fails_holds_back_no_other(
    hand: Any, executor: MemoryExecutor, running: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The executor fails at once for one run, for whatever reason: the next one is stopped in the same pass."""
    other = hand.put("202402")
    hand.turn()
    terminate = executor.terminate

    def fragile(ref: str, reason: str) -> None:
        if ref == "run-1":
            raise ExecutorUnavailable("not this one")
        terminate(ref, reason)

    monkeypatch.setattr(executor, "terminate", fragile)
    for job_id in (running, other):
        hand.cancel(job_id)
    hand.turn()
    assert list(executor.terminated) == ["run-2"]


@pytest.mark.parametrize("fault", ["executor", "archive"])
def test_a_stop_that_hangs_is_waited_for_once(
    hand: Any, executor: MemoryExecutor, running: str, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """What takes too long for one job would for the next: the others wait for the next pass."""
    other, asked = hand.put("202402"), []
    hand.turn()

    def away(*_: Any) -> None:
        asked.append(1)
        raise (ExecutorUnavailable if fault == "executor" else StorageError)("away")

    monkeypatch.setattr("api.reconciler.context.PATIENCE_SECONDS", 0)
    if fault == "executor":
        monkeypatch.setattr(executor, "terminate", away)
    else:
        monkeypatch.setattr(hand.store, "create", away)
    for job_id in (running, other):
        hand.cancel(job_id)
    act_on_cancels(hand.context)
    assert len(asked) == 1
