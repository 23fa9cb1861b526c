"""Whatever dies, a local run ends, and at no moment has it two workers."""

import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest
from disks import no_room, small_disk

from api.executors.base import RunState
from api.executors.local import LocalExecutor
from api.executors.local_runs import locked
from tests.api.executors.conftest import LocalLab, ended, params_of, until
from worker.contract import compute
from worker.contract.exits import ExitCode, FailureCode


def test_a_new_service_finds_a_live_run(lab: LocalLab) -> None:
    """A run that goes on while the service is replaced is found by ref and name, and has one worker."""
    first = lab.executor()
    lab.order("a", "wait")
    first.submit(params_of("a"))
    first.poll([])
    worker = lab.worker("a")
    first.close()
    second = lab.executor()
    assert second.poll(["a"])["a"].state is RunState.RUNNING
    assert [status.ref for status in second.find(compute.job_name("202401", "a"))] == ["a"]
    lab.go("a")
    assert ended(second, "a").state is RunState.SUCCEEDED
    assert lab.trace("a") == [("start", worker), ("stop", worker)]


def test_runs_outlive_a_killed_service(lab: LocalLab) -> None:
    """kill -9 of the process that holds the executor leaves its workers at work."""
    lab.order("a", "wait")
    params = params_of("a").to_json().decode()
    program = f"""
import sys, time
from pathlib import Path
from api.executors.local import LocalExecutor
from worker.contract.job import RunParams
executor = LocalExecutor(Path({str(lab.state)!r}), command={lab.command!r})
executor.submit(RunParams.from_json({params!r}))
executor.poll([])
time.sleep(60)
"""
    service = subprocess.Popen([sys.executable, "-c", program])
    worker = lab.worker("a")
    service.kill()
    service.wait()
    lab.go("a")
    assert ended(lab.executor(), "a").state is RunState.SUCCEEDED
    assert lab.trace("a") == [("start", worker), ("stop", worker)]


def test_a_worker_dies_with_its_supervisor(lab: LocalLab) -> None:
    """kill -9 of the supervisor ends the worker too; the run is started again, and that attempt is on record."""
    executor = lab.executor()
    lab.order("a", "wait")
    executor.submit(params_of("a"))
    executor.poll([])
    first = lab.worker("a")
    [supervisor] = lab.supervisors("a")
    supervisor.kill()
    until(partial(_gone, lab, first))
    until(partial(_has_attempts, executor, 2))
    second = until(lambda: next((pid for word, pid in lab.trace("a")[1:] if word == "start"), None))
    lab.go("a")
    status = ended(executor, "a")
    assert [attempt.exit_code for attempt in status.attempts] == [None, 0]
    assert "supervisor went away" in str(status.attempts[0].reason)
    assert lab.trace("a") == [("start", first), ("start", second), ("stop", second)]


def test_a_run_whose_supervisors_all_die_fails(lab: LocalLab) -> None:
    """Attempts that were cut off count: after the last the run is INTERRUPTED, and is not started any more."""
    executor = lab.executor()
    lab.order("a", "wait")
    executor.submit(params_of("a"))
    for attempt in range(1, compute.ATTEMPTS + 1):
        until(partial(_has_attempts, executor, attempt))
        until(lambda: lab.supervisors("a"))[0].kill()
    status = ended(executor, "a")
    assert (status.failure, len(status.attempts)) == (FailureCode.INTERRUPTED, compute.ATTEMPTS)
    until(lambda: not lab.processes())


def test_a_worker_that_outlives_its_supervisor_keeps_others_away(lab: LocalLab) -> None:
    """Where the kernel does not tie their lives, the lock that the worker inherited keeps a second from starting."""
    executor = lab.executor()
    lab.order("a", "orphan", "exit 0")
    executor.submit(params_of("a"))
    executor.poll([])
    orphan = lab.worker("a")
    [supervisor] = lab.supervisors("a")
    supervisor.kill()
    until(partial(_gone, lab, supervisor.pid))
    for _ in range(3):
        assert len(executor.poll(["a"])["a"].attempts) == 1
    lab.go("a")
    assert len(ended(executor, "a").attempts) == 2
    assert [word for word, _ in lab.trace("a")] == ["start", "stop", "start", "stop"]
    assert lab.trace("a")[1] == ("stop", orphan)


def test_a_machine_that_shuts_down(lab: LocalLab) -> None:
    """SIGTERM to the supervisor alone interrupts the attempt, and the next service goes on with the run."""
    executor = lab.executor()
    lab.order("a", "wait", "exit 0")
    executor.submit(params_of("a"))
    executor.poll([])
    lab.worker("a")
    lab.supervisors("a")[0].terminate()
    until(lambda: not lab.processes())
    status = ended(lab.executor(), "a")
    assert [attempt.exit_code for attempt in status.attempts] == [75, 0]


def test_a_run_that_is_terminated_while_its_supervisor_dies(lab: LocalLab) -> None:
    """Word to stop that no supervisor lived to read is acted on by who takes over: no other attempt."""
    executor = lab.executor()
    lab.order("a", "stubborn")
    executor.submit(params_of("a"))
    executor.poll([])
    lab.worker("a")
    [supervisor] = lab.supervisors("a")
    supervisor.send_signal(signal.SIGSTOP)
    executor.terminate("a", "cancelled")
    supervisor.kill()
    status = ended(lab.executor(), "a")
    assert (status.state, status.reason, len(status.attempts)) == (RunState.FAILED, "terminated: cancelled", 1)


def test_a_cut_off_submission_is_no_run(lab: LocalLab) -> None:
    """A directory without its spec, as a crash leaves it, is not known and not started; submitting again completes it."""
    folder = lab.state / "runs" / "a"
    folder.mkdir(parents=True)
    (folder / ".spec.json.0000").write_text('{"na')
    executor = lab.executor()
    assert executor.poll(["a"]) == {}
    executor.submit(params_of("a"))
    assert ended(executor, "a").state is RunState.SUCCEEDED


def test_a_supervisor_that_cannot_begin_uses_up_its_attempts(lab: LocalLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken installation does not start processes for ever: the run fails after its attempts."""
    monkeypatch.setenv("PYTHONHOME", str(lab.folder / "absent"))
    executor = lab.executor()
    executor.submit(params_of("a"))
    status = ended(executor, "a")
    assert (status.failure, len(status.attempts)) == (FailureCode.INTERRUPTED, compute.ATTEMPTS)
    assert (lab.state / "runs" / "a" / "supervisor.log").stat().st_size > 0


def test_a_full_disk_under_the_runs(lab: LocalLab) -> None:
    """A supervisor that has no room to write down how its worker ended waits for it: the code is not lost."""
    with small_disk(lab.state, "1m") as disk:
        executor = lab.executor()
        lab.order("a", "wait")
        executor.submit(params_of("a"))
        executor.poll([])
        worker = lab.worker("a")
        with no_room(disk):
            lab.go("a", ExitCode.STORAGE)
            until(partial(_gone, lab, worker))
            time.sleep(1)
            assert executor.poll(["a"])["a"].state is RunState.RUNNING
        status = ended(executor, "a")
        assert [attempt.exit_code for attempt in status.attempts] == [ExitCode.STORAGE]


def test_a_run_waits_while_there_is_no_room_to_start_it(lab: LocalLab) -> None:
    """No attempt is lost to a full disk before it began."""
    with small_disk(lab.state, "1m") as disk:
        executor = lab.executor()
        executor.submit(params_of("a"))
        with no_room(disk):
            for _ in range(2 * compute.ATTEMPTS):
                assert executor.poll(["a"])["a"].native_status == "QUEUED"
        status = ended(executor, "a")
        assert [attempt.exit_code for attempt in status.attempts] == [ExitCode.DONE]


def test_a_machine_that_shuts_down_with_a_full_disk(lab: LocalLab) -> None:
    """The supervisor goes too, and the next service takes the attempt for interrupted and makes another."""
    with small_disk(lab.state, "1m") as disk:
        executor = lab.executor()
        lab.order("a", "wait", "exit 0")
        executor.submit(params_of("a"))
        executor.poll([])
        worker = lab.worker("a")
        [supervisor] = lab.supervisors("a")
        with no_room(disk):
            lab.go("a", ExitCode.STORAGE)
            until(partial(_gone, lab, worker))
            supervisor.terminate()
            until(lambda: not lab.supervisors("a"))
        assert [attempt.exit_code for attempt in ended(executor, "a").attempts] == [None, ExitCode.DONE]


def test_no_run_has_two_workers(lab: LocalLab) -> None:
    """Several executors on one directory race to start the same runs while supervisors are killed: no overlap."""
    names = [f"job-{i}" for i in range(4)]
    for name in names:
        lab.order(name, "wait", "exit 0")
    executors = [lab.executor() for _ in range(4)]
    for executor in executors:
        for name in names:
            executor.submit(params_of(name))
    done = threading.Event()

    def poll(executor: LocalExecutor) -> None:
        while not done.is_set():
            executor.poll(names)

    threads = [threading.Thread(target=poll, args=(executor,)) for executor in executors]
    for thread in threads:
        thread.start()
    try:
        for name in names:
            worker = lab.worker(name)
            [supervisor] = lab.supervisors(name)  # more than one would be two workers in the making
            supervisor.kill()
            until(partial(_gone, lab, worker))
        for name in names:
            assert len(ended(executors[0], name).attempts) == 2
    finally:
        done.set()
        for thread in threads:
            thread.join()
    for name in names:
        assert [word for word, _ in lab.trace(name)] == ["start", "start", "stop"]


def test_executors_together_keep_the_bound(lab: LocalLab) -> None:
    """Several executors that look at one directory at the same moment start no more workers than one is allowed."""
    executors = [lab.executor(max_workers=1) for _ in range(4)]
    names = [f"job-{i}" for i in range(8)]
    for name in names:
        lab.order(name, "wait")
        executors[0].submit(params_of(name))
    together = threading.Barrier(len(executors))

    def poll(executor: LocalExecutor) -> None:
        together.wait()
        executor.poll([])

    threads = [threading.Thread(target=poll, args=(executor,)) for executor in executors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    states = [status.state for status in executors[0].poll(names).values()]
    assert states.count(RunState.RUNNING) == 1


def test_the_lock_is_free_once_its_holders_are_gone(tmp_path: Path) -> None:
    """The lock is held by whoever inherited it after it was closed here, and free when that one dies."""
    path = tmp_path / "lock"
    with locked(path) as descriptor:
        assert descriptor is not None
        child = subprocess.Popen(["sleep", "60"], pass_fds=(descriptor,))
        with locked(path) as again:
            assert again is None
    with locked(path) as again:
        assert again is None
    child.kill()
    child.wait()
    with locked(path) as again:
        assert again is not None


def _has_attempts(executor: LocalExecutor, attempts: int) -> bool:
    return len(executor.poll(["a"])["a"].attempts) == attempts


def _gone(lab: LocalLab, pid: int) -> bool:
    return pid not in [process.pid for process in lab.processes()]
