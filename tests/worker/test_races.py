"""Workers that want the same partition at the same time, and readers that look meanwhile."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from staged_days import partition_file, provenance_of, run_params

from api.catalog.source import bucket_filesystem
from sample.catalog import Catalog, Query
from sample.server import Running, running
from sample.source import milliseconds
from storage import Store, open_store
from worker.contract.collections import L30
from worker.contract.documents import DatasetBinding, Decision
from worker.contract.exits import ExitCode
from worker.contract.job import RunParams
from worker.contract.layout import dataset_key, decision_key, partition_key, result_key
from worker.contract.result import PROVENANCE_KEY, Provenance, RunResult

if TYPE_CHECKING:
    from tests.conftest import S3Server

HARVESTER = Path(__file__).parent / "harvester.py"


@pytest.fixture(scope="module")
def source(catalog: Catalog) -> Iterator[Running]:
    with running(catalog) as server:
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


@pytest.fixture(scope="module")
def harvesters(
    source: Running, s3_server: "S3Server", tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Harvester]]:
    """Two of them, for archives of both kinds."""
    folder = tmp_path_factory.mktemp("harvesters")
    settings = {"STAC_API_URL": source.url, "TEMP_DIR": str(folder / "temporary")}
    environment = {**os.environ, **s3_server.environment, **settings}
    with ExitStack() as stack:
        processes = [
            subprocess.Popen(
                [sys.executable, str(HARVESTER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stack.enter_context((folder / f"harvester-{number}.log").open("w")),
                text=True,
                env=environment,
            )
            for number in range(2)
        ]
        for process in processes:
            stack.enter_context(process)
            stack.callback(process.kill)
        yield [Harvester(process) for process in processes]


Look = tuple[str | None, list[str]]
"""The job that the file names, where the reader tells it, and the ids."""


class Reader(threading.Thread):
    """Reads the partition in a loop, as a scientist's tool does, and keeps what it saw; a look may come to nothing where
    the file was replaced meanwhile."""

    def __init__(self, read: Callable[[], Look | None], every: float) -> None:
        super().__init__(name="reader", daemon=True)
        self._read, self._every = read, every
        self.over = threading.Event()
        self.seen: dict[str | None, set[frozenset[str]]] = {}
        self.fault: Exception | None = None

    def run(self) -> None:
        try:
            while not self.over.wait(self._every):
                if (look := self._read()) is not None:
                    job, ids = look
                    self.seen.setdefault(job, set()).add(frozenset(ids))
                    assert len(ids) == len(set(ids))
        except Exception as error:  # noqa: BLE001  told to the test
            self.fault = error


def _by_arrow(source: Any) -> Look:
    with pq.ParquetFile(source) as file:
        ids = [name for group in range(file.num_row_groups) for name in _ids_of(file, group)]
        return Provenance.from_json(file.metadata.metadata[PROVENANCE_KEY.encode()]).job_id, ids


def _ids_of(file: pq.ParquetFile, group: int) -> list[str]:
    ids: list[str] = file.read_row_group(group).column("id").to_pylist()
    return ids


def _by_duckdb(path: str) -> Look:
    with duckdb.connect() as connection:
        # The hash of a row takes all its columns, some of which have types that Python's packages lack here.
        rows = connection.execute("SELECT id, hash(item) FROM read_parquet(?) AS item", [path]).fetchall()
    return None, [name for name, _ in rows]


def _by_ranges(store: Store, key: str) -> Look:
    with bucket_filesystem().open_input_file(store.locate(key).removeprefix("s3://")) as file:
        return _by_arrow(file)


def _unless_replaced(store: Store, key: str, look: Callable[[], Look]) -> Look | None:
    """As docs/data.md says for who looks more than once: the ETag before and after, and another look if it changed."""
    before = store.head(key)
    try:
        seen = look()
    except (OSError, pa.ArrowException, duckdb.Error):
        if store.head(key) == before:
            raise
        return None
    return seen if store.head(key) == before else None


def _readers(store: Store, key: str, every: float) -> list[Reader]:
    if store.uri.startswith("s3://"):
        whole = lambda: _by_arrow(pa.BufferReader(store.get(key)))  # noqa: E731  named for the readers below
        by_ranges = partial(_unless_replaced, store, key, partial(_by_ranges, store, key))
        return [Reader(whole, every), Reader(by_ranges, every)]
    path = store.locate(key)
    by_duckdb = partial(_unless_replaced, store, key, partial(_by_duckdb, path))  # it opens the path several times
    return [Reader(partial(_by_arrow, path), every), Reader(by_duckdb, every)]


def _month(source: Running) -> frozenset[str]:
    """Ids of the L30 items that the source has now."""
    first, last = milliseconds(date(2024, 1, 1)), milliseconds(date(2024, 2, 1)) - 1
    entries = source.faults.visible(source.catalog.search(Query((L30,), (first, last))))
    return frozenset(entry.id for entry in entries if first <= entry.start)  # some only end in the month


@pytest.mark.parametrize(
    ("rounds", "every"),
    [pytest.param(2, 0.2), pytest.param(50, 0.05, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])],
    ids=["small", "full"],
)
def test_two_workers_for_one_partition(
    archive: str, source: Running, harvesters: list[Harvester], tmp_path: Path, rounds: int, every: float
) -> None:
    """Told at the same time, one publishes and the other ends with 67, again and again, and each time the source has
    other items; readers that scan the partition meanwhile never fail and see only what a winner published, whole."""
    store = open_store(archive)
    old = run_params(archive, job_id="old", prefix="month")
    key = partition_key(old.prefix, old.month)
    store.upload(key, partition_file(tmp_path / "old.parquet", provenance_of(old, items=1)))
    readers = _readers(store, key, every)
    months: dict[str | None, frozenset[str]] = {"old": frozenset("0")}
    wishes = {"collections": [L30], "prefix": "month", "allow_shrink": True}
    for reader in readers:
        reader.start()
    for number in range(rounds):
        source.faults.replace([f"ingest:share={0.1 * (number % 5)},times=0"])  # a tenth more or less never comes
        before = store.head(key)
        assert before is not None
        jobs = [run_params(archive, job_id=f"r{number}-{name}", **wishes) for name in "ab"]
        for harvester, job in zip(harvesters, jobs, strict=True):
            harvester.begin(job)
        codes = {job.job_id: harvester.exit_code() for harvester, job in zip(harvesters, jobs, strict=True)}
        assert sorted(codes.values()) == [ExitCode.DONE, ExitCode.CONFLICT]
        winner = next(job for job, code in codes.items() if code is ExitCode.DONE)
        _check_winner(store, key, winner, replaced=before.etag)
        assert all(store.head(result_key(job)) is None for job in codes if job != winner)
        months[winner] = _month(source)
    source.faults.replace([])
    for reader in readers:
        last_look = time.monotonic() + 60
        while reader.is_alive() and not any(months[winner] in contents for contents in reader.seen.values()):
            assert time.monotonic() < last_look, "the reader has not seen what was published last"
            time.sleep(0.01)
        reader.over.set()
        reader.join()
        assert reader.fault is None
        for writer, contents in reader.seen.items():
            assert contents <= (set(months.values()) if writer is None else {months[writer]})


@pytest.mark.parametrize("length", [20, 19])
def test_what_a_reader_in_ranges_may_meet(s3_root: str, tmp_path: Path, length: int) -> None:
    """pyarrow's own S3 file system mixes two versions of a file, or fails; the comparison of docs/data.md shows it."""
    store = open_store(s3_root)
    _upload(store, tmp_path, "old", 20)

    def replaced_meanwhile() -> Look:
        with bucket_filesystem().open_input_file(f"{s3_root.removeprefix('s3://')}/month.parquet") as source:
            file = pq.ParquetFile(source)
            ids = _ids_of(file, 0)
            _upload(store, tmp_path, "new", length)
            ids += _ids_of(file, 1)
        assert ids[0][:3] + ids[-1][:3] == "oldnew"
        return None, ids

    assert _unless_replaced(store, "month.parquet", replaced_meanwhile) is None
    _upload(store, tmp_path, "old", 20)
    if length == 20:
        assert replaced_meanwhile()
    else:
        with pytest.raises((OSError, pa.ArrowException)):
            replaced_meanwhile()


def _upload(store: Store, folder: Path, name: str, length: int) -> None:
    table = pa.table({"id": [f"{name}-{number:03d}" for number in range(length)]})
    pq.write_table(table, folder / "file", row_group_size=10, compression="none", use_dictionary=False)
    store.upload("month.parquet", folder / "file")


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


def test_two_boxes_for_one_new_prefix(archive: str, harvesters: list[Harvester]) -> None:
    """Two months of two boxes, at the same time: one binds the prefix and publishes, the other ends with 64."""
    store = open_store(archive)
    boxes = {"west": [-180, -90, 0, 90], "east": [0, -90, 180, 90]}
    jobs = [
        run_params(archive, job_id=name, collections=[L30], prefix="bound", bbox=box, year_month=month)
        for (name, box), month in zip(boxes.items(), ("202401", "202402"), strict=True)
    ]
    for harvester, job in zip(harvesters, jobs, strict=True):
        harvester.begin(job)
    codes = [harvester.exit_code() for harvester in harvesters]
    assert sorted(codes) == [ExitCode.DONE, ExitCode.BAD_PARAMETERS]
    winner = jobs[codes.index(ExitCode.DONE)]
    assert DatasetBinding.from_json(store.get(dataset_key("bound"))).bbox == winner.bbox
    key = partition_key("bound", winner.month)
    assert [stat.key for stat in store.scan("bound/") if stat.key.endswith(".parquet")] == [key]
    assert [job.job_id for job in jobs if store.head(result_key(job.job_id))] == [winner.job_id]
