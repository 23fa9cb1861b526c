"""A day that is cut into slices is a checkpoint slice by slice."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harvesting import QUICK
from staged_days import run_params
from watched_store import WatchedStore
from workers import published

from sample.catalog import Catalog
from sample.server import Running, running
from storage import StorageError, Store, open_store
from worker.contract.collections import L30
from worker.contract.documents import StagedSlices
from worker.contract.job import RunParams
from worker.contract.layout import JOBS_ROOT, staged_slices_record_key
from worker.run import Run
from worker.settings import WorkerSettings


@pytest.fixture(scope="module")
def source() -> Iterator[Running]:
    with running(Catalog.generated(items_per_month=240)) as server:
        yield server


@pytest.fixture
def settings(source: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkerSettings:
    """Slices so small that every day is cut, and that some of a day's fit in memory and the others do not."""
    source.log.clear()
    monkeypatch.setattr("worker.stage._IN_MEMORY", 3)
    monkeypatch.setattr("worker.stage._TOGETHER", 2)
    for name, items in {"SPLIT_ABOVE": 3, "SPLIT_DAY_ABOVE": 3, "SLICE_ITEMS": 2}.items():
        monkeypatch.setattr(f"worker.source.slices.{name}", items)
    return WorkerSettings(stac_api_url=source.url, temp_dir=tmp_path / "temporary", **QUICK)


def _run(params: RunParams, settings: WorkerSettings, store: Any = None) -> Run:
    return Run(params, settings, store or open_store(params.destination), params.job_id)


def _params(archive: str) -> RunParams:
    return run_params(archive, collections=[L30], prefix="month", parallel=True)


def _failing_after(store: Store, slices: int) -> WatchedStore:
    """A store that fails once so many slices are recorded."""
    recorded = 0

    def fail(_number: int, name: str, key: str) -> None:
        nonlocal recorded
        if name == "put" and key.endswith(".slices.json"):
            recorded += 1
            if recorded > slices:
                raise StorageError("the bucket is on fire")

    return WatchedStore(store, before=fail)


def _intervals(source: Running) -> list[str]:
    return [search.parameters["datetime"] for search in source.log.searches() if "cursor" not in search.parameters]


def test_an_interrupted_day_loses_only_the_slices_in_flight(
    source: Running, settings: WorkerSettings, tmp_path: Path
) -> None:
    """The next attempt searches the slices that were not recorded and no others, also over several attempts; the
    partition is that of a run that nobody disturbed, and nothing staged stays behind."""
    archive = (tmp_path / "archive").as_uri()
    undisturbed = run_params(archive, job_id="undisturbed", collections=[L30], prefix="undisturbed", parallel=True)
    _run(undisturbed, settings).execute()
    params = _params(archive)
    store = open_store(archive)
    first = params.month.days()[0]
    finished: set[str] = set()
    for _ in range(2):
        source.log.clear()
        with pytest.raises(StorageError, match="on fire"):
            _run(params, settings, _failing_after(store, 8)).execute()
        assert not finished & set(_intervals(source)), "finished slices were searched again"
        finished |= _recorded(store, params)
    assert len(finished) >= 12
    source.log.clear()
    _run(params, settings).execute()
    assert not finished & set(_intervals(source)), "finished slices were searched again"
    ours, theirs = published(store, params), published(store, undisturbed)
    assert ours is not None
    assert theirs is not None
    assert ours.num_rows > 60
    assert ours.equals(theirs)
    assert store.head(staged_slices_record_key("job", first)) is None
    assert not [stat.key for stat in store.scan(f"{JOBS_ROOT}/job/days/")]


def _recorded(store: Store, params: RunParams) -> set[str]:
    """The closed intervals of the slices that are recorded."""
    found = set()
    for day in params.month.days():
        key = staged_slices_record_key(params.stage_id, day)
        if store.head(key) is not None:
            for each in StagedSlices.from_json(store.get(key)).slices:
                found.add(f"{each.start:%Y-%m-%dT%H:%M:%SZ}/{each.end:%Y-%m-%dT%H:%M:%SZ}")
    return found


def test_a_spoilt_slice_is_searched_again(source: Running, settings: WorkerSettings, tmp_path: Path) -> None:
    """What was written to the archive and does not agree with its record is not believed."""
    params = _params((tmp_path / "archive").as_uri())
    store = open_store(params.destination)
    with pytest.raises(StorageError, match="on fire"):
        _run(params, settings, _failing_after(store, 8)).execute()
    for stat in list(store.scan(f"{JOBS_ROOT}/job/days/")):
        if stat.key.count("/") == 4:
            store.put(stat.key, b"spoilt")
    expected = [item["id"] for item in source.catalog.month("202401") if item["collection"] == L30]
    assert _run(params, settings).execute().items == len(expected)
