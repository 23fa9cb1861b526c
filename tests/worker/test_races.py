"""Workers that want the same partition at the same time, and readers that look meanwhile."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from staged_days import partition_file, provenance_of, run_params

from sample.catalog import Catalog
from sample.server import Running, running
from storage import Store, open_store
from worker.contract.collections import L30
from worker.contract.documents import Decision
from worker.contract.exits import ExitCode
from worker.contract.job import RunParams
from worker.contract.layout import decision_key, partition_key, result_key
from worker.contract.result import PROVENANCE_KEY, Provenance, RunResult

HARVESTER = Path(__file__).parent / "harvester.py"


@pytest.fixture(scope="module")
def source() -> Iterator[Running]:
    with running(Catalog.generated(items_per_month=150)) as server:
        yield server


class Harvester:
    """A process that is ready to run a worker at a word."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        assert self._line() == "ready"

    def begin(self, params: RunParams) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(params.to_argv()) + "\n")
        self._process.stdin.flush()

    def exit_code(self) -> ExitCode:
        return ExitCode(int(self._line()))

    def _line(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip()


@pytest.fixture
def harvesters(archive: str, source: Running, tmp_path: Path) -> Iterator[list[Harvester]]:
    environment = {**os.environ, "STAC_API_URL": source.url, "TEMP_DIR": str(tmp_path / "temporary")}
    with ExitStack() as stack:
        processes = [
            subprocess.Popen(
                [sys.executable, str(HARVESTER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stack.enter_context((tmp_path / f"harvester-{number}.log").open("w")),
                text=True,
                env=environment,
            )
            for number in range(2)
        ]
        for process in processes:
            stack.enter_context(process)
            stack.callback(process.kill)
        yield [Harvester(process) for process in processes]


class Reader(threading.Thread):
    """Reads the whole partition in a loop, as a scientist's tool does, and keeps what it saw."""

    def __init__(self, store: Store, key: str) -> None:
        super().__init__(name="reader", daemon=True)
        self._store, self._key = store, key
        self.over = threading.Event()
        self.seen: dict[str, set[frozenset[str]]] = {}
        self.fault: Exception | None = None

    def run(self) -> None:
        try:
            while not self.over.wait(0.05):
                self._read()
        except Exception as error:  # noqa: BLE001  told to the test
            self.fault = error

    def _read(self) -> None:
        # A bucket gives one object in one answer; reading it in ranges is for those who compare its ETag.
        in_directory = not self._store.uri.startswith("s3://")
        source = self._store.locate(self._key) if in_directory else pa.BufferReader(self._store.get(self._key))
        with pq.ParquetFile(source) as file:
            table = file.read()
            job = Provenance.from_json(file.metadata.metadata[PROVENANCE_KEY.encode()]).job_id
        self.seen.setdefault(job, set()).add(frozenset(table.column("id").to_pylist()))


@pytest.mark.parametrize(
    "rounds", [pytest.param(1), pytest.param(50, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])]
)
def test_two_workers_for_one_partition(
    archive: str, source: Running, harvesters: list[Harvester], tmp_path: Path, rounds: int
) -> None:
    """Told at the same time, one publishes and the other ends with 67, again and again; readers that scan the
    partition meanwhile never fail and see only what a winner published, whole."""
    store = open_store(archive)
    old = run_params(archive, job_id="old", prefix="month")
    key = partition_key(old.prefix, old.month)
    store.upload(key, partition_file(tmp_path / "old.parquet", provenance_of(old, items=1)))
    reader = Reader(store, key)
    reader.start()
    winners = []
    for number in range(rounds):
        before = store.head(key)
        assert before is not None
        jobs = [run_params(archive, job_id=f"r{number}-{name}", collections=[L30], prefix="month") for name in "ab"]
        for harvester, job in zip(harvesters, jobs, strict=True):
            harvester.begin(job)
        codes = {job.job_id: harvester.exit_code() for harvester, job in zip(harvesters, jobs, strict=True)}
        assert sorted(codes.values()) == [ExitCode.DONE, ExitCode.CONFLICT]
        winner = next(job for job, code in codes.items() if code is ExitCode.DONE)
        _check_winner(store, key, winner, replaced=before.etag)
        assert all(store.head(result_key(job)) is None for job in codes if job != winner)
        winners.append(winner)
    while winners[-1] not in reader.seen and reader.is_alive():
        time.sleep(0.01)
    reader.over.set()
    reader.join()
    assert reader.fault is None
    assert reader.seen.keys() <= {"old", *winners}
    month = {item["id"] for item in source.catalog.month("202401") if item["collection"] == L30}
    for writer, contents in reader.seen.items():
        assert contents == {frozenset(["0"] if writer == "old" else month)}


def _check_winner(store: Store, key: str, job: str, *, replaced: str | None) -> None:
    result = RunResult.from_json(store.get(result_key(job)))
    present = store.head(key)
    assert present is not None
    assert (present.etag, present.size) == (result.etag, result.bytes)
    assert Decision.from_json(store.get(decision_key(job))).replaces == replaced


def test_one_job_that_runs_twice(archive: str, harvesters: list[Harvester]) -> None:
    """Started twice with one id and one stage, as by an operator who takes the first for dead: they share their staged
    days, the month is published once, and neither says that it failed."""
    store = open_store(archive)
    params = run_params(archive, job_id="twice", collections=[L30], prefix="month")
    for harvester in harvesters:
        harvester.begin(params)
    assert [harvester.exit_code() for harvester in harvesters] == [ExitCode.DONE] * 2
    key = partition_key("month", params.month)
    _check_winner(store, key, "twice", replaced=None)
    assert [stat.key for stat in store.scan("month/") if stat.key.endswith(".parquet")] == [key]
