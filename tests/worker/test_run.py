"""A run from end to end in this process, and what stops it on its way."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from staged_days import run_params
from watched_store import WatchedStore
from workers import published

from sample.catalog import Catalog
from sample.server import Running, running
from storage import NotFound, StorageError, Store, open_store
from worker.contract.collections import COLLECTIONS, L30
from worker.contract.documents import DatasetBinding, Decision, Progress, StagedDay
from worker.contract.job import RunParams
from worker.contract.layout import decision_key, partition_key, progress_key, result_key, staged_day_record_key
from worker.contract.result import PROVENANCE_KEY, Provenance, RunResult
from worker.errors import Incomplete, Interrupted
from worker.run import Run
from worker.settings import WorkerSettings
from worker.source.client import Source


@pytest.fixture(scope="module")
def source(catalog: Catalog) -> Iterator[Running]:
    with running(catalog) as server:
        yield server


@pytest.fixture
def settings(source: Running, tmp_path: Path) -> WorkerSettings:
    source.faults.replace([])
    source.log.clear()
    return WorkerSettings(stac_api_url=source.url, temp_dir=tmp_path / "temporary", no_progress_timeout=5)


def _params(archive: str, **others: Any) -> RunParams:
    wishes: dict[str, Any] = {"collections": [L30], "prefix": "month", "parallel": True} | others
    return run_params(archive, **wishes)


def _run(params: RunParams, settings: WorkerSettings, store: Any = None) -> Run:
    return Run(params, settings, store or open_store(params.destination), params.job_id)


def _staged(store: Store, params: RunParams) -> int:
    return sum(store.head(staged_day_record_key(params.stage_id, day)) is not None for day in params.month.days())


def test_a_month(archive: str, source: Running, settings: WorkerSettings) -> None:
    """All of it, once: the result, the file's footer and the catalogue of the source agree; the dataset is bound; the
    progress tells the end; neither staged days nor working files stay behind."""
    params = _params(archive)
    store = open_store(archive)
    result = _run(params, settings).execute()
    expected = {item["id"] for item in source.catalog.month("202401") if item["collection"] == L30}
    table = published(store, params)
    assert table is not None
    assert set(table.column("id").to_pylist()) == expected
    assert (result.items, result.matched, result.complete) == (len(expected), len(expected), True)
    assert sum(sum(day.items.values()) for day in result.days) == len(expected)
    assert [day.day for day in result.days] == params.month.days()
    footer = pq.read_metadata(pa.BufferReader(store.get(result.key)))
    provenance = Provenance.from_json(footer.metadata[PROVENANCE_KEY.encode()])
    assert provenance == Provenance.model_validate({name: getattr(result, name) for name in Provenance.model_fields})
    assert RunResult.from_json(store.get(result_key("job"))) == result
    assert DatasetBinding.from_json(store.get("month/_dataset.json")).collections == (L30,)
    progress = Progress.from_json(store.get(progress_key("job")))
    assert (progress.days_total, progress.job_id) == (31, "job")
    assert _staged(store, params) == 0
    assert list(settings.temp_dir.iterdir()) == []


def test_collections_are_read_beside_the_days(
    source: Running, settings: WorkerSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Days do not wait for the documents of their collections; the footer does."""
    documents = Source.documents

    def late(opened: Source) -> Any:
        give_up = time.monotonic() + 10
        while not source.log.searches():
            assert time.monotonic() < give_up, "no day was searched meanwhile"
            time.sleep(0.01)
        return documents(opened)

    monkeypatch.setattr(Source, "documents", late)
    params = _params((tmp_path / "archive").as_uri())
    result = _run(params, settings).execute()
    footer = pq.read_metadata(tmp_path / "archive" / result.key).metadata
    assert json.loads(footer[b"stac-geoparquet"])["collections"].keys() == {L30}


def test_a_finished_job_asks_the_source_for_nothing(source: Running, settings: WorkerSettings, tmp_path: Path) -> None:
    """Another attempt gives the same result; also where it was killed before it wrote it, which is then made up for,
    and the staged days and the files that it left are removed."""
    params = _params((tmp_path / "archive").as_uri())
    store = open_store(params.destination)
    result = _run(params, settings).execute()
    source.log.clear()
    assert _run(params, settings).execute() == result
    store.delete(result_key("job"))
    store.put(staged_day_record_key("job", params.month.days()[0]), b"{}")
    (settings.temp_dir / "hls-run-job-killed").mkdir()
    again = _run(params, settings).execute()
    assert again.model_copy(update={"published_at": result.published_at}) == result
    assert source.log.records == []
    assert _staged(store, params) == 0
    assert list(settings.temp_dir.iterdir()) == []


def test_equal_bytes_by_source_date_epoch(source: Running, settings: WorkerSettings, tmp_path: Path) -> None:
    """The time that is written may be given, even one before the month: it decides nothing else, so no day is left
    out, and two runs give the same file."""
    fixed = settings.model_copy(update={"source_date_epoch": 0})
    params = [_params((tmp_path / name).as_uri()) for name in "ab"]
    results = [_run(each, fixed).execute() for each in params]
    assert len(results[0].days) == 31
    assert results[0].items > 0
    files = [open_store(each.destination).get(results[0].key) for each in params]
    assert files[0] == files[1]


def _stopped_at(name: str, key: str, params: RunParams, settings: WorkerSettings, *, time: int = 1) -> Run:
    """A run that is asked to stop when it makes this call for the first time, or a later one."""

    def stop(_number: int, *call: str) -> None:
        if call == (name, key) and watched.calls.count((name, key)) == time:
            run.stop()

    watched = WatchedStore(open_store(params.destination), before=stop)
    run = _run(params, settings, watched)
    return run


def test_a_stop_at_any_stage(source: Running, settings: WorkerSettings, tmp_path: Path) -> None:
    """Before the harvest, during it, and at the last look before the decision: nothing is published and finished days
    are kept. Once it is decided the run comes to its end."""
    params = _params((tmp_path / "archive").as_uri())
    store = open_store(params.destination)
    days = params.month.days()
    binding, partition = "month/_dataset.json", partition_key("month", params.month)
    kept = 0
    for run in (
        _stopped_at("head", partition, params, settings),
        _stopped_at("put", staged_day_record_key("job", days[5]), params, settings),
        _stopped_at("get", binding, params, settings, time=2),  # once the month was verified
    ):
        with pytest.raises(Interrupted, match="the run was asked to stop"):
            run.execute()
        assert store.head(partition) is None
        assert store.head(decision_key("job")) is None
        assert _staged(store, params) >= kept
        kept = _staged(store, params)
    assert kept == 31
    source.log.clear()
    assert _stopped_at("create", decision_key("job"), params, settings).execute().items > 0
    assert source.log.searches() == []
    assert store.head(result_key("job")) is not None


def test_a_stop_while_the_source_is_silent(source: Running, settings: WorkerSettings, tmp_path: Path) -> None:
    """It does not wait for the answers."""
    source.faults.replace(["hang:seconds=30"])
    run = _run(_params((tmp_path / "archive").as_uri()), settings)
    threading.Timer(0.5, run.stop).start()
    begun = time.monotonic()
    with pytest.raises(Interrupted):
        run.execute()
    assert time.monotonic() - begun < 5


def test_a_storage_that_fails_in_the_middle(source: Running, settings: WorkerSettings, tmp_path: Path) -> None:
    """The run ends with that fault; the days before it are kept and used by the next attempt."""
    params = _params((tmp_path / "archive").as_uri())
    store = open_store(params.destination)
    broken = staged_day_record_key("job", params.month.days()[9])

    def fail(_number: int, name: str, key: str) -> None:
        if (name, key) == ("put", broken):
            raise StorageError("the bucket is on fire")

    with pytest.raises(StorageError, match="on fire"):
        _run(params, settings, WatchedStore(store, before=fail)).execute()
    kept = {day for day in params.month.days() if store.head(staged_day_record_key("job", day))}
    assert kept
    source.log.clear()
    assert _run(params, settings).execute().items > 0
    searched = {date.fromisoformat(search.parameters["datetime"][:10]) for search in source.log.searches()}
    assert params.month.days()[9] in searched
    assert not searched & kept


def test_a_storage_that_fails_while_the_source_is_silent(
    source: Running, settings: WorkerSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slice that cannot be kept ends the run at once: it does not wait for the day's other searches."""
    for name in ("SPLIT_ABOVE", "SPLIT_DAY_ABOVE", "SLICE_ITEMS"):
        monkeypatch.setattr(f"worker.source.slices.{name}", 1)
    source.faults.replace(["hang:seconds=30,collection=HLSS30_2.0"])

    def fail(_number: int, name: str, _key: str) -> None:
        if name == "upload":
            raise StorageError("the bucket is on fire")

    params = _params((tmp_path / "archive").as_uri(), collections=COLLECTIONS)
    began = time.monotonic()
    with pytest.raises(StorageError, match="on fire"):
        _run(params, settings, WatchedStore(open_store(params.destination), before=fail)).execute()
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("held", ["month/_dataset.json", result_key("job")])
def test_a_stop_while_the_storage_hangs(source: Running, settings: WorkerSettings, tmp_path: Path, held: str) -> None:
    """It does not wait for the answer: who stops a worker gives it half a minute."""
    params = _params((tmp_path / "archive").as_uri())
    over = threading.Event()

    def hang(_number: int, _name: str, key: str) -> None:
        if key == held:
            over.wait(60)

    store = open_store(params.destination)
    store.create(
        decision_key("job"), Decision(action="publish", run="job", at=datetime.now(UTC), replaces=None).to_json()
    )
    run = _run(params, settings, WatchedStore(store, before=hang))
    threading.Timer(0.3, run.stop).start()
    began = time.monotonic()
    with pytest.raises(Interrupted):
        run.execute()
    assert time.monotonic() - began < 10
    over.set()


def test_a_month_is_as_fresh_as_its_oldest_day(source: Running, settings: WorkerSettings, tmp_path: Path) -> None:
    """What the source took in after a day was staged is missing, though a later attempt finished the month."""
    params = _params((tmp_path / "archive").as_uri())
    store = open_store(params.destination)
    with pytest.raises(Interrupted):
        _stopped_at("get", "month/_dataset.json", params, settings, time=2).execute()
    key = staged_day_record_key("job", params.month.days()[3])
    before = datetime.now(UTC) - timedelta(days=5)
    store.put(key, StagedDay.from_json(store.get(key)).model_copy(update={"staged_at": before}).to_json())
    assert _run(params, settings).execute().harvested_at == before


def test_staged_days_that_cannot_be_removed_are_no_fault(
    source: Running, settings: WorkerSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """They expire by themselves; the month is published and the run is done."""
    params = _params((tmp_path / "archive").as_uri())

    def fail(_number: int, name: str, _key: str) -> None:
        if name == "delete":
            raise StorageError("deleting is not allowed")

    store = open_store(params.destination)
    assert _run(params, settings, WatchedStore(store, before=fail)).execute().items > 0
    assert _staged(store, params) == 31
    assert "staged days could not be removed" in caplog.text


def test_no_items_and_no_count_is_no_empty_month(settings: WorkerSettings, tmp_path: Path) -> None:
    """A source that states no count and gives nothing may be broken: 65, and nothing is published. One that counts
    nought makes an empty month that is complete."""
    params = _params((tmp_path / "archive").as_uri())
    store = open_store(params.destination)
    with running(Catalog.generated(items_per_month=0)) as empty:
        mine = settings.model_copy(update={"stac_api_url": empty.url})
        empty.faults.replace(["no-count"])
        with pytest.raises(Incomplete, match="states no count"):
            _run(params, mine).execute()
        with pytest.raises(NotFound):
            store.get(partition_key("month", params.month))
        empty.faults.replace([])
        result = _run(_params(params.destination, job_id="second"), mine).execute()
    assert (result.items, result.matched, result.complete) == (0, 0, True)
