"""A worker that is interrupted at any moment, and the attempt that follows."""

import signal
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from random import Random

import pyarrow as pa
import pytest
from randomness import drawn
from staged_days import run_params
from workers import LINES, published, worker

from sample.catalog import Catalog
from sample.server import Running, running
from storage import Store, open_store
from worker.contract.collections import L30
from worker.contract.documents import Decision
from worker.contract.exits import ExitCode
from worker.contract.job import RunParams
from worker.contract.layout import decision_key, partition_key, result_key, staged_day_record_key

KILL, TERM = signal.SIGKILL, signal.SIGTERM
FULL = [pytest.mark.soak, pytest.mark.timeout(1800)]

Attempt = Callable[[RunParams, signal.Signals | None, Random], int]


@pytest.fixture(scope="module")
def source(catalog: Catalog) -> Iterator[Running]:
    with running(catalog) as server:
        yield server


@pytest.fixture(scope="module")
def undisturbed(source: Running, tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    """The partition of a run that nobody interrupts."""
    folder = tmp_path_factory.mktemp("undisturbed")
    params = run_params((folder / "archive").as_uri(), collections=[L30], prefix="month", parallel=True)
    with worker(params, source=source.url, temp_dir=folder / "temporary") as process:
        assert process.wait() == ExitCode.DONE
    assert len(process.lines) == LINES
    assert process.lines[-1]["action"] == "end"
    table = published(open_store(params.destination), params)
    assert table is not None
    return table


@pytest.fixture
def attempt(source: Running, tmp_path: Path) -> Attempt:
    """Runs a worker and sends it a signal, if any, with a line of its log that is drawn or a moment later."""

    def run(params: RunParams, number: signal.Signals | None, random: Random) -> int:
        source.log.clear()
        with worker(params, source=source.url, temp_dir=tmp_path / "temporary") as process:
            if number is not None and process.read(random.randint(1, LINES)):
                time.sleep(random.choice((0, random.uniform(0, 0.05))))
                process.process.send_signal(number)
            code = process.wait()
        print(params.job_id, number, code, process.lines[-1])  # noqa: T201  for a failure
        return code

    return run


def _staged(store: Store, params: RunParams) -> set[date]:
    return {day for day in params.month.days() if store.head(staged_day_record_key(params.stage_id, day))}


def _searched(source: Running) -> set[date]:
    return {date.fromisoformat(search.parameters["datetime"][:10]) for search in source.log.searches()}


def _next(store: Store, params: RunParams, random: Random) -> RunParams:
    """The executor's own next attempt, or a retry of the operator's, which is a job of its own."""
    if store.head(decision_key(params.job_id)) or random.random() < 0.5:
        return params
    return params.model_copy(update={"job_id": f"{params.job_id}-"})


# A stop is the worker's own business, wherever the archive is; what a kill leaves behind is the archive's too.
@pytest.mark.parametrize(
    ("archive", "number", "share"),
    [
        pytest.param("directory", KILL, 0.1, id="directory-kill-small"),
        pytest.param("s3", KILL, 0.1, id="s3-kill-small"),
        pytest.param("directory", TERM, 0.1, id="directory-term-small"),
        *(
            pytest.param(archive, number, 1, marks=FULL, id=f"{archive}-{number.name[3:].lower()}-full")
            for archive in ("directory", "s3")
            for number in (KILL, TERM)
        ),
    ],
    indirect=["archive"],
)
def test_interrupted_and_tried_again(
    archive: str,
    source: Running,
    undisturbed: pa.Table,
    attempt: Attempt,
    tmp_path: Path,
    number: signal.Signals,
    share: float,
) -> None:
    """At 20 random moments: nothing is published by an attempt that did not come to its end, no finished day is
    searched again, and the items in the end are those of a run that nobody disturbed. SIGTERM ends with 75."""
    random = drawn()
    store = open_store(archive)
    jobs, interruptions, wanted = 0, 0, round(20 * share)
    while interruptions < wanted:
        jobs += 1  # a job that ended before its signal came interrupts nothing, and has nothing left to interrupt
        params = run_params(archive, job_id=f"j{jobs}", collections=[L30], prefix=f"month{jobs}")
        staged: set[date] = set()
        while (code := attempt(params, number if interruptions < wanted else None, random)) != ExitCode.DONE:
            interruptions += 1
            assert not staged & _searched(source), "finished days were searched again"
            _check_interrupted(store, params, number, code)
            staged = _staged(store, params)
            params = _next(store, params, random)
        assert not staged & _searched(source), "finished days were searched again"
        table = published(store, params)
        assert table is not None
        assert table.equals(undisturbed)
        assert store.head(result_key(params.job_id)) is not None
    assert list((tmp_path / "temporary").iterdir()) == [], "what killed runs left was swept away"


def _check_interrupted(store: Store, params: RunParams, number: signal.Signals, code: int) -> None:
    assert code == (-KILL if number is KILL else ExitCode.INTERRUPTED)
    if store.head(partition_key(params.prefix, params.month)):
        assert number is KILL, "SIGTERM comes before publishing or not at all"
        decision = Decision.from_json(store.get(decision_key(params.job_id)))
        assert (decision.action, decision.run) == ("publish", params.job_id)


def test_a_stop_does_not_wait_for_a_source_that_is_silent(source: Running, tmp_path: Path) -> None:
    """75 within seconds, although every request is waiting for an answer that does not come."""
    source.faults.replace(["hang:seconds=30"])
    source.log.clear()
    params = run_params((tmp_path / "archive").as_uri(), collections=[L30], prefix="month", parallel=True)
    try:
        with worker(params, source=source.url, temp_dir=tmp_path / "temporary") as process:
            while not source.log.searches():
                time.sleep(0.02)
            begun = time.monotonic()
            process.process.terminate()
            assert process.wait() == ExitCode.INTERRUPTED
            assert time.monotonic() - begun < 10
        assert process.message == "the run was asked to stop"
    finally:
        source.faults.replace([])


def test_a_signal_that_comes_while_the_worker_starts(source: Running, tmp_path: Path) -> None:
    """It is kept until there is a run that can end as it should; the half second of imports is no hole."""
    params = run_params((tmp_path / "archive").as_uri(), collections=[L30], prefix="month")
    for moment in (0.1, 0.3):
        with worker(params, source=source.url, temp_dir=tmp_path / "temporary") as process:
            status = Path(f"/proc/{process.process.pid}/status")
            while "SigBlk:\t0000000000004002" not in status.read_text():
                time.sleep(0.005)
            time.sleep(moment)
            process.process.terminate()
            assert process.wait() == ExitCode.INTERRUPTED
