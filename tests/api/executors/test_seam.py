"""What every executor does: the same cases over the one in memory, local processes, and Batch."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from api.executors.base import Executor, LogLine, RunState, RunStatus
from api.executors.batch import BatchExecutor
from api.executors.memory import MemoryExecutor
from tests.api.executors.conftest import LocalLab, MotoBatch, params_of, until
from worker.contract import compute
from worker.contract.exits import ExitCode

NAME = compute.job_name("202401", "a")


@dataclass
class Bench:
    """An executor, and how its runs are moved along."""

    executor: Executor
    start: Callable[[str], None]
    end: Callable[[str, int], None]
    stop: Callable[[str], object]
    """What happens to a run some time after it was terminated."""

    def submit(self) -> str:
        return self.executor.submit(params_of("a")).ref

    def status(self, ref: str, *states: RunState) -> RunStatus:
        """The run once it is in one of the states."""

        def look() -> RunStatus | None:
            status = self.executor.poll([ref])[ref]
            return status if status.state in states else None

        return until(look)


def memory_bench(executor: MemoryExecutor) -> Bench:
    def start(ref: str) -> None:
        executor.start(ref)
        executor.log(ref, "line 0", "line 1", "line 2")

    def end(ref: str, exit_code: int) -> None:
        if exit_code:
            executor.fail(ref, exit_code, reason=f"exit {exit_code}")
        else:
            executor.succeed(ref)

    return Bench(executor, start, end, stop=str)


def local_bench(lab: LocalLab) -> Bench:
    executor = lab.executor()
    lab.order("a", "wait")

    def start(ref: str) -> None:
        executor.poll([ref])
        lab.worker(ref)
        until(lambda: len(executor.tail(f"{ref}/attempt-1.log", 9)) == 2)

    return Bench(executor, start, end=lab.go, stop=str)


def batch_bench(moto: MotoBatch, executor: BatchExecutor) -> Bench:
    def stop(ref: str) -> None:
        assert moto.job(ref).stop
        moto.end(ref, ExitCode.INTERRUPTED)

    return Bench(executor, moto.start, moto.end, stop)


@pytest.fixture(params=["memory", "local", "batch"])
def bench(request: pytest.FixtureRequest) -> Bench:
    if request.param == "memory":
        return memory_bench(MemoryExecutor())
    if request.param == "local":
        return local_bench(request.getfixturevalue("lab"))
    return batch_bench(request.getfixturevalue("moto_batch"), request.getfixturevalue("batch"))


def test_a_submission_is_found_by_its_exact_name(bench: Bench) -> None:
    """The name of a run finds it as submitted, with its definition; a name that is nearly the same finds nothing."""
    submission = bench.executor.submit(params_of("a"))
    bench.executor.submit(params_of("ab"))
    [status] = bench.executor.find(NAME)
    assert (status.ref, status.name, status.state) == (submission.ref, NAME, RunState.SUBMITTED)
    assert status.definition == submission.definition
    assert (status.attempts, status.exit_code, status.failure) == ((), None, None)
    for name in (NAME.upper(), NAME.replace("hls", "HLS"), NAME[:-1], f"{NAME}*", "", "x" + NAME):
        assert list(bench.executor.find(name)) == []


def test_a_run_from_start_to_success(bench: Bench) -> None:
    """A started run has one attempt that is open, an ended one has its times and the code 0."""
    ref = bench.submit()
    bench.start(ref)
    running = bench.status(ref, RunState.RUNNING)
    assert [(attempt.stopped_at, attempt.exit_code) for attempt in running.attempts] == [(None, None)]
    assert running.native_status == "RUNNING"
    bench.end(ref, 0)
    ended = bench.status(ref, RunState.SUCCEEDED, RunState.FAILED)
    assert (ended.state, ended.exit_code, ended.failure) == (RunState.SUCCEEDED, 0, None)
    [attempt] = ended.attempts
    assert attempt.started_at is not None
    assert attempt.stopped_at is not None
    assert attempt.started_at.utcoffset() == attempt.stopped_at.utcoffset() == timedelta(0)


def test_a_run_that_fails_says_its_exit_code(bench: Bench) -> None:
    """The worker's exit code is handed on, and the executor claims to know nothing more of the failure."""
    ref = bench.submit()
    bench.start(ref)
    bench.end(ref, ExitCode.INCOMPLETE)
    status = bench.status(ref, RunState.SUCCEEDED, RunState.FAILED)
    assert (status.state, status.exit_code, status.failure) == (RunState.FAILED, ExitCode.INCOMPLETE, None)


def test_an_ended_run_is_still_found(bench: Bench) -> None:
    """A submission whose run has ended meanwhile is found by name all the same."""
    ref = bench.submit()
    bench.start(ref)
    bench.end(ref, 0)
    bench.status(ref, RunState.SUCCEEDED)
    assert [status.state for status in bench.executor.find(NAME)] == [RunState.SUCCEEDED]


def test_a_ref_that_is_not_known_is_absent(bench: Bench) -> None:
    """Polling answers for what is known, and is silent on the rest."""
    ref = bench.submit()
    assert set(bench.executor.poll(["unknown", ref])) == {ref}
    assert bench.executor.poll([]) == {}


def test_a_running_run_is_terminated(bench: Bench) -> None:
    """The run ends as failed with the reason that was given; to terminate it again, or an unknown one, is no fault."""
    ref = bench.submit()
    bench.start(ref)
    bench.executor.terminate(ref, "cancelled by anna")
    bench.stop(ref)
    status = bench.status(ref, RunState.FAILED)
    assert "cancelled by anna" in str(status.reason)
    assert (status.exit_code, status.failure) == (ExitCode.INTERRUPTED, None)
    bench.executor.terminate(ref, "again")
    bench.executor.terminate("unknown", "again")
    assert "cancelled by anna" in str(bench.status(ref, RunState.FAILED).reason)


def test_a_log_by_page_and_from_its_end(bench: Bench) -> None:
    """Pages of one line joined, one large page, and the tail are the same lines in order."""
    ref = bench.submit()
    bench.start(ref)
    log_ref = bench.status(ref, RunState.RUNNING).log_ref
    assert log_ref is not None
    joined: list[LogLine] = []
    token: str | None = None
    while True:
        page = bench.executor.logs(log_ref, token, 1)
        joined += page.lines
        if (token := page.next_token) is None:
            break
    assert len(joined) >= 2
    assert list(bench.executor.logs(log_ref, None, 100).lines) == joined
    assert list(bench.executor.tail(log_ref, 100)) == joined
    assert list(bench.executor.tail(log_ref, 1)) == joined[-1:]


def test_a_run_without_a_log(bench: Bench) -> None:
    """A run that has not started has no log, and a log that is not there is empty."""
    ref = bench.submit()
    assert bench.executor.find(NAME)[0].log_ref is None
    assert bench.executor.logs(f"{ref}:none", None, 10).lines == ()
    assert list(bench.executor.tail(f"{ref}:none", 10)) == []


def test_an_executor_that_is_well(bench: Bench) -> None:
    """The check passes where runs can be submitted."""
    bench.executor.check()
