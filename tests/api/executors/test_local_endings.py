"""How the end of an attempt is judged."""

import signal

import pytest

from api.executors.base import RunState
from api.executors.local_endings import Ending, exited, settled, stopped
from api.executors.local_runs import Record
from worker.contract.exits import ExitCode, FailureCode


def test_a_machine_without_memory() -> None:
    """A worker that was killed while the kernel killed for memory is OUT_OF_MEMORY, which a retry would repeat."""
    ending = exited(-signal.SIGKILL, out_of_memory=True)
    assert (ending.failure, ending.exit_code, ending.retry) == (FailureCode.OUT_OF_MEMORY, 137, False)
    assert exited(int(ExitCode.INCOMPLETE), out_of_memory=True).failure is None


@pytest.mark.parametrize("code", [-signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP])
def test_a_worker_that_was_stopped_from_outside(code: int) -> None:
    """Signals of an operator or a shutdown are interruptions, tried again."""
    assert (exited(code).failure, exited(code).exit_code, exited(code).retry) == (
        FailureCode.INTERRUPTED,
        128 - code,
        True,
    )


def test_a_worker_that_was_done_before_it_was_stopped() -> None:
    """A worker that ends well after it was told to stop has succeeded: what it published is there."""
    record = settled(Record().begun(), stopped(0, "terminated: late", failure=FailureCode.TIMEOUT), attempts=1)
    assert (record.state, record.failure) == (RunState.SUCCEEDED, None)


def test_a_record_survives_its_writing() -> None:
    """Records with open and closed attempts are read back as they were written."""
    waiting = settled(Record().begun(), Ending(75, "again", retry=True), attempts=3)
    failed = settled(waiting.begun(), Ending(None, "gone", FailureCode.INTERRUPTED), attempts=3)
    for record in (Record(), Record().begun(), waiting, waiting.begun(), failed):
        assert Record.from_json(record.to_json()) == record
