"""The loop: one leads, it stops when told, it survives faults, and it says that it lives."""

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, event

from api import db
from api.executors.memory import MemoryExecutor
from api.jobs import store
from api.jobs.models import Job
from api.jobs.states import JobState
from api.reconciler.leader import make_leader
from api.reconciler.loop import PASS_MARK, Reconciler


def until(look: Callable[[], Any], seconds: float = 20) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "nothing came of it"
        time.sleep(0.01)
    return found


def last_pass(hand: Any) -> Any:
    with hand.context.session() as session:
        return store.marked(session, PASS_MARK)


def test_the_loop_works_and_stops(hand: Any) -> None:
    """In a thread of its own it submits what comes, marks its passes, and ends when told."""
    reconciler = Reconciler(hand.context, interval=0.01)
    reconciler.start()
    job_id = hand.put()
    until(lambda: hand.job(job_id).state is JobState.SUBMITTED)
    until(lambda: last_pass(hand))
    reconciler.stop()
    late = hand.put("202402")
    time.sleep(0.1)
    assert hand.job(late).state is JobState.PENDING


def test_a_pass_without_work_asks_little(hand: Any, engine: Engine) -> None:
    """Whether a job is active and whether a log is due is all that it asks of the jobs, however many have ended; and a
    page of jobs that is not full is the last one."""
    asked: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def listen(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "FROM jobs" in statement:
            asked.append(statement)

    def statements() -> int:
        asked.clear()
        assert reconciler.pass_once()
        return len(asked)

    hand.cancel(hand.put())
    with closing(Reconciler(hand.context, interval=0.01)) as reconciler:
        reconciler.pass_once()  # the first of a process also says how old the oldest job is
        assert statements() == 2
        hand.put()
        reconciler.pass_once()
        assert statements() == 2 + 4, "pending and under way are looked for, and to be cancelled among either"


def test_one_leads_and_another_takes_over(hand: Any, engine: Engine) -> None:
    """Of two there is one leader; when it resigns the other leads."""
    first, second = make_leader(engine), make_leader(engine)
    assert first.leads()
    assert first.leads()
    assert not second.leads()
    first.resign()
    assert second.leads()
    assert not first.leads()
    first.resign()
    second.resign()


def test_a_leader_whose_process_dies_is_replaced(hand: Any, engine: Engine, database_url: str) -> None:
    """A killed process holds no lead."""
    code = (
        "import sys, time; from api import db; from api.reconciler.leader import make_leader;"
        "from api.settings import Settings;"
        f"leader = make_leader(db.make_engine(Settings(database_url={database_url!r}).database));"
        "print(leader.leads(), flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"True\n"
        heir = make_leader(engine)
        assert not heir.leads()
        process.kill()
        until(heir.leads)
        heir.resign()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_lost_connection_is_a_lost_lead(hand: Any, engine: Engine, database_url: str) -> None:
    """When the database ends the leader's connection it notices, and leads again on a new one."""
    leader = make_leader(engine)
    assert leader.leads()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert not leader.leads()
    until(leader.leads)
    leader.resign()


class Passing:
    """Leads until it has been asked so often."""

    def __init__(self, times: int) -> None:
        self.left = times

    def leads(self) -> bool:
        self.left -= 1
        return self.left >= 0

    def resign(self) -> None:
        """Nothing is held."""


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_lead_that_is_lost_ends_the_pass(
    hand: Any, executor: MemoryExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two steps and between two pages: from then on another leader acts, and the pass is no good one."""
    patient = hand.wait(lost=60)
    with hand.context.session() as session:
        for number in range(250):
            values = {"id": f"{number:016x}", "state": JobState.SUBMITTED, "run_ref": f"run-{number}"}
            dataset = {"prefix": f"p{number}", "year_month": "202401", "params": "{}", "stage_id": "x"}
            session.add(Job.model_validate({**values, **dataset, "created_at": db.now()}))
    polls: list[int] = []

    def poll(_refs: Any) -> dict[str, Any]:
        polls[-1] += 1
        return {}

    monkeypatch.setattr(executor, "poll", poll)
    good = False
    while not good:
        assert last_pass(hand) is None
        reconciler = Reconciler(patient.context, interval=0.01, leader=Passing(len(polls)))
        polls.append(0)
        good = reconciler.pass_once()
        reconciler.close()
    assert polls == sorted(polls)
    assert set(polls) == {0, 1, 2, 3}


def test_a_step_that_fails_does_not_stop_the_others(
    hand: Any, executor: MemoryExecutor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A pass in which polling breaks still submits; it is logged, and is not counted as a good pass."""

    def broken(_refs: Any) -> Any:
        raise RuntimeError("broken")

    first = hand.put()
    hand.turn()
    before = last_pass(hand)
    monkeypatch.setattr(executor, "poll", broken)
    second = hand.put("202402")
    reconciler = Reconciler(hand.context, interval=0.01)
    assert not reconciler.pass_once()
    reconciler.close()
    assert hand.job(second).state is JobState.SUBMITTED
    assert hand.job(first).state is JobState.SUBMITTED
    assert last_pass(hand) == before
    assert any(record.__dict__.get("action") == "watch" and record.exc_info for record in caplog.records)
