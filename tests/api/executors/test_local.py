"""The local executor drives real processes to their end, by the rules that Batch has for its jobs."""

import os
import signal
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.executors.base import Executor, ExecutorUnavailable, RunState, RunStatus
from api.executors.local import LocalExecutor
from tests.api.executors.conftest import LocalLab, ended, params_of, until
from worker.contract import compute
from worker.contract.exits import ExitCode, FailureCode


def test_a_run_succeeds(lab: LocalLab) -> None:
    """A worker that exits with 0 is a success of one attempt, with its times, code, log and name."""
    executor: Executor = lab.executor()
    before = datetime.now(UTC)
    submission = executor.submit(params_of("a"))
    status = ended(lab.executors[0], submission.ref)
    assert (status.state, status.native_status, status.exit_code) == (RunState.SUCCEEDED, "SUCCEEDED", 0)
    assert status.name == compute.job_name("202401", "a")
    assert status.definition == submission.definition
    [attempt] = status.attempts
    assert attempt.started_at is not None
    assert attempt.stopped_at is not None
    assert before <= attempt.started_at <= attempt.stopped_at <= datetime.now(UTC)


def test_the_worker_is_told_the_parameters(lab: LocalLab) -> None:
    """The command of a real worker ends with the arguments of the run, in the contract's own notation."""
    executor = lab.executor()
    executor.submit(params_of("a"))
    lab.order("a", "wait")
    executor.poll([])
    worker = lab.worker("a")
    [command] = [p.cmdline() for p in lab.processes() if p.pid == worker]
    assert command[-len(params_of("a").to_argv()) :] == params_of("a").to_argv()


def test_the_default_command_is_the_contracts(tmp_path: Path) -> None:
    """Without another command the definition is the module that the contract names."""
    executor = LocalExecutor(tmp_path)
    assert executor.submit(params_of("a")).definition.endswith(f" -m {compute.MODULE}")
    executor.close()


def test_the_environment_of_a_worker(lab: LocalLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker sees what it is given over what the service has, without the service's settings or Batch's job."""
    monkeypatch.setenv("HLS_API_KEY", "secret")
    monkeypatch.setenv("AWS_BATCH_JOB_ID", "outer")
    monkeypatch.setenv("TEMP_DIR", "/service")
    executor = LocalExecutor(
        lab.state,
        environment={"TEMP_DIR": "/worker"},
        command=("sh", "-c", "echo $TEMP_DIR/$HLS_API_KEY/$AWS_BATCH_JOB_ID/$PYTHONUNBUFFERED"),
    )
    lab.executors.append(executor)
    executor.submit(params_of("a"))
    status = ended(executor, "a")
    assert status.log_ref is not None
    assert [line.text for line in executor.tail(status.log_ref, 5)] == ["/worker///1"]


@pytest.mark.parametrize("code", [1, ExitCode.INCOMPLETE, ExitCode.CONFLICT, ExitCode.CANCELLED])
def test_a_failure_that_a_retry_would_repeat_is_final(lab: LocalLab, code: int) -> None:
    """An exit code that no retry rule names ends the run at its first attempt, with the code."""
    executor = lab.executor()
    lab.order("a", f"exit {int(code)}")
    executor.submit(params_of("a"))
    status = ended(executor, "a")
    assert (status.state, status.exit_code, len(status.attempts)) == (RunState.FAILED, code, 1)
    assert status.failure is None
    assert str(int(code)) in str(status.reason)


def test_an_interrupted_worker_is_tried_again(lab: LocalLab) -> None:
    """75 and 69 are tried again in the same run, and a later success is the run's."""
    executor = lab.executor()
    lab.order("a", f"exit {int(ExitCode.INTERRUPTED)}", f"exit {int(ExitCode.SOURCE_UNAVAILABLE)}", "exit 0")
    executor.submit(params_of("a"))
    status = ended(executor, "a")
    assert status.state is RunState.SUCCEEDED
    assert [attempt.exit_code for attempt in status.attempts] == [75, 69, 0]
    assert status.log_ref == "a/attempt-3.log"


def test_attempts_are_bounded(lab: LocalLab) -> None:
    """A worker that is interrupted in every attempt fails after as many as Batch would make."""
    executor = lab.executor()
    lab.order("a", f"exit {int(ExitCode.INTERRUPTED)}")
    executor.submit(params_of("a"))
    status = ended(executor, "a")
    assert status.state is RunState.FAILED
    assert [attempt.exit_code for attempt in status.attempts] == [75] * compute.ATTEMPTS


def test_a_killed_worker_is_tried_again(lab: LocalLab) -> None:
    """kill -9 of the worker is an interruption; in every attempt it fails the run, which says what may have been."""
    executor = lab.executor()
    lab.order("a", "kill 9", "exit 0")
    lab.order("b", "kill 9")
    for job_id in "ab":
        executor.submit(params_of(job_id))
    status = ended(executor, "a")
    assert [attempt.exit_code for attempt in status.attempts] == [137, 0]
    status = ended(executor, "b")
    assert (status.failure, status.exit_code) == (FailureCode.INTERRUPTED, 137)
    assert "memory" in str(status.reason)


def test_a_crashed_worker_is_not_tried_again(lab: LocalLab) -> None:
    """A signal that the worker brought on itself ends the run, named in the reason."""
    executor = lab.executor()
    lab.order("a", f"kill {int(signal.SIGSEGV)}")
    executor.submit(params_of("a"))
    status = ended(executor, "a")
    assert (status.state, len(status.attempts), status.failure) == (RunState.FAILED, 1, None)
    assert "SIGSEGV" in str(status.reason)


def test_a_worker_that_cannot_be_started(lab: LocalLab) -> None:
    """A command that does not exist fails the run as its image would in Batch."""
    executor = LocalExecutor(lab.state, command=(str(lab.folder / "absent"),))
    lab.executors.append(executor)
    executor.submit(params_of("a"))
    status = ended(executor, "a")
    assert (status.failure, status.exit_code) == (FailureCode.IMAGE, None)
    assert "absent" in str(status.reason)


def test_a_log_that_cannot_be_opened(lab: LocalLab) -> None:
    """It is the disk that fails and not the command, which is not even tried."""
    executor = lab.executor(max_workers=0)
    executor.submit(params_of("a"))
    (lab.state / "runs" / "a" / "attempt-1.log").mkdir()
    status = ended(lab.executor(), "a")
    assert (status.failure, status.exit_code, len(status.attempts)) == (FailureCode.STORAGE, None, 1)
    assert "the worker's log could not be opened" in str(status.reason)
    assert lab.trace("a") == []


def test_a_run_that_takes_too_long_is_ended(lab: LocalLab) -> None:
    """The time limit ends the attempt by SIGTERM, and the run: a time-out is not tried again."""
    executor = lab.executor(timeout=2)
    lab.order("a", "wait")
    executor.submit(params_of("a"))
    status = ended(executor, "a")
    assert (status.failure, status.exit_code, len(status.attempts)) == (FailureCode.TIMEOUT, 75, 1)


def test_a_queued_run_is_terminated_without_a_start(lab: LocalLab) -> None:
    """A run that waits for a place and is terminated never starts, and says why it ended."""
    executor = lab.executor(max_workers=1)
    lab.order("a", "wait")
    executor.submit(params_of("a"))
    executor.submit(params_of("b"))
    executor.poll([])
    assert executor.poll(["b"])["b"].native_status == "QUEUED"
    executor.terminate("b", "cancelled by the user")
    status = executor.poll(["b"])["b"]
    assert (status.state, status.attempts) == (RunState.FAILED, ())
    assert status.reason == "terminated: cancelled by the user"
    lab.go("a")
    ended(executor, "a")
    executor.poll([])
    assert lab.trace("b") == []


def test_a_running_worker_is_terminated(lab: LocalLab) -> None:
    """The worker gets SIGTERM and its own exit code stands; the run is not tried again although 75 would be."""
    executor = lab.executor()
    lab.order("a", "wait")
    executor.submit(params_of("a"))
    executor.poll([])
    lab.worker("a")
    executor.terminate("a", "cancelled by the user")
    status = ended(executor, "a")
    assert (status.state, status.exit_code, len(status.attempts)) == (RunState.FAILED, 75, 1)
    assert (status.reason, status.failure) == ("terminated: cancelled by the user", None)
    assert [word for word, _ in lab.trace("a")] == ["start", "stop"]


def test_a_stubborn_worker_is_killed(lab: LocalLab) -> None:
    """A worker that does not heed SIGTERM is killed after the grace period."""
    executor = lab.executor(grace=0.3)
    lab.order("a", "stubborn")
    executor.submit(params_of("a"))
    executor.poll([])
    worker = lab.worker("a")
    executor.terminate("a", "cancelled")
    assert ended(executor, "a").exit_code == 137
    assert worker not in [p.pid for p in lab.processes()]


def test_a_run_is_terminated_between_two_attempts(lab: LocalLab) -> None:
    """Word that is left while the next attempt is awaited ends the run before it."""
    executor = LocalExecutor(lab.state, command=("sh", "-c", "exit 75"))
    lab.executors.append(executor)
    executor.submit(params_of("a"))
    until(lambda: executor.poll(["a"])["a"].native_status == "RETRYING")
    executor.terminate("a", "cancelled")
    status = ended(executor, "a")
    assert (status.reason, len(status.attempts)) == ("terminated: cancelled", 1)


def test_terminating_what_has_ended_or_never_was_is_no_fault(lab: LocalLab) -> None:
    """The record of an ended run stays, and an unknown ref, or one that leads elsewhere, is passed over."""
    executor = lab.executor()
    executor.submit(params_of("a"))
    status = ended(executor, "a")
    for ref in ("a", "unknown", "../runs/a", "", ".."):
        executor.terminate(ref, "late")
    assert executor.poll(["a", "unknown", "../runs/a", "", ".."]) == {"a": status}


def test_a_repeated_submission_is_one_run(lab: LocalLab) -> None:
    """The same job submitted again, even after its end, gives the same ref and is not run again."""
    executor = lab.executor()
    first = executor.submit(params_of("a"))
    ended(executor, "a")
    assert executor.submit(params_of("a")) == first
    assert executor.poll(["a"])["a"].state is RunState.SUCCEEDED
    assert len(executor.find(compute.job_name("202401", "a"))) == 1


def test_the_number_of_workers_is_bounded(lab: LocalLab) -> None:
    """No more run at once than allowed, and those that wait start in the order of their submission."""
    executor = lab.executor(max_workers=2)
    names = ["d", "c", "b", "a"]
    for name in names:
        lab.order(name, "wait")
        executor.submit(params_of(name))
    states = [executor.poll(names)[name].state for name in names]
    assert states == [RunState.RUNNING, RunState.RUNNING, RunState.SUBMITTED, RunState.SUBMITTED]
    lab.worker("d")
    lab.worker("c")
    lab.go("d")
    ended(executor, "d")
    until(lambda: executor.poll(["b"])["b"].state is RunState.RUNNING)
    assert executor.poll(["a"])["a"].state is RunState.SUBMITTED


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    """The executor is unavailable, and says which directory, for check and for every call that writes."""
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where the directory should be")
    executor = LocalExecutor(blocked)
    for call in (executor.check, lambda: executor.submit(params_of("a")), lambda: executor.poll(["a"])):
        with pytest.raises(ExecutorUnavailable, match="blocked"):
            call()
    assert list(executor.find("hls-202401-a")) == []
    assert stat.S_ISREG(blocked.stat().st_mode)


def test_old_runs_are_swept(lab: LocalLab) -> None:
    """What ended longer ago than the archive keeps a job is removed; what waits, or ended lately, stays."""
    executor = lab.executor()
    for job_id in ("old", "new"):
        executor.submit(params_of(job_id))
        ended(executor, job_id)
    runs = lab.state / "runs"
    (runs / "cut-short").mkdir()
    for name in ("old", "cut-short"):
        os.utime(runs / name, (0, 0))
    later = lab.executor(max_workers=0)
    later.submit(params_of("waits"))
    os.utime(runs / "waits", (0, 0))
    assert set(later.poll(["old", "new", "waits"])) == {"new", "waits"}
    assert not (runs / "cut-short").exists()


@pytest.mark.parametrize("broken", ["", "{", "{}", "[]", '{"state": "lost", "reason": null}', "a directory"])
def test_one_run_that_cannot_be_read_spoils_nothing(
    lab: LocalLab, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    """A record that somebody broke is logged and passed over, also where it is asked for; the other runs go on."""
    executor = lab.executor()
    executor.submit(params_of("broken"))
    record = lab.state / "runs" / "broken" / "status.json"
    if broken == "a directory":
        record.mkdir()
    else:
        record.write_text(broken)
    executor.submit(params_of("a"))

    def look() -> RunStatus | None:
        known = executor.poll(["broken", "a"])
        assert known.keys() == {"a"}
        return known["a"] if known["a"].state.ended else None

    assert until(look).state is RunState.SUCCEEDED
    assert executor.find(compute.job_name("202401", "broken")) == []
    assert [status.ref for status in executor.find(compute.job_name("202401", "a"))] == ["a"]
    assert {getattr(record, "ref", None) for record in caplog.records} == {"broken"}
