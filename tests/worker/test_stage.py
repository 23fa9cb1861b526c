"""Staged days come back as they were saved, or not at all."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from staged_days import DAY, generated_items, harvested_day, run_params

from storage import Store, open_store
from worker.contract.collections import L30
from worker.contract.job import RunParams
from worker.contract.layout import staged_day_key, staged_day_record_key
from worker.days import Day
from worker.items.moulds import Moulds
from worker.items.parts import Items, ItemsFile, Part
from worker.items.types import json_paths
from worker.source.slices import slices_of
from worker.stage import Stage, Staged, clear

SOURCE = "http://127.0.0.1/stac"


@pytest.fixture
def params(archive: str) -> RunParams:
    return run_params(archive)


@pytest.fixture
def store(archive: str) -> Store:
    return open_store(archive)


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[], Path]:
    """A new folder for each attempt, as each run has."""

    def make() -> Path:
        path = tmp_path / f"attempt-{len(list(tmp_path.glob('attempt-*')))}"
        path.mkdir()
        return path

    return make


Folder = Callable[[], Path]


def _count(day: Day) -> int:
    return sum(table.num_rows for part in day.parts for table in part.opened(Moulds())[1])


def _rows(staged: Staged) -> list[dict[str, Any]]:
    form, tables = staged.items.opened(Moulds())
    rows: list[dict[str, Any]] = form.cast(pa.concat_tables(tables), form.whole()).to_pylist()
    return rows


def _change_record(store: Store, params: RunParams, **values: Any) -> None:
    key = staged_day_record_key(params.stage_id, DAY)
    store.put(key, orjson.dumps(orjson.loads(store.get(key)) | values))


def test_a_saved_day_is_loaded_by_the_next_attempt(store: Store, params: RunParams, folder: Folder) -> None:
    """The same items, counts and anomalies; also by a retry, another job that inherits the stage id."""
    items = generated_items(DAY)
    del items[0]["assets"]["B01"]
    saved = Stage(store, params, SOURCE, folder()).save(harvested_day(DAY, items))
    assert sum(saved.record.items.values()) == saved.record.matched == len(items)
    assert list(saved.record.anomalies.values()) == [1]
    retry = run_params(params.destination, job_id="retry", stage_id=params.stage_id)
    for attempt in (params, retry):
        loaded = Stage(store, attempt, SOURCE, folder()).load(DAY)
        assert loaded is not None
        assert loaded.record == saved.record
        assert loaded.items.path.read_bytes() == saved.items.path.read_bytes()


def test_a_day_keeps_which_of_its_columns_hold_json(store: Store, params: RunParams, folder: Folder) -> None:
    """Arrow has one type for text and for JSON as text; the difference survives the archive, or a merge would not
    know how to join them."""
    items = generated_items(DAY)[:2]
    items[0]["properties"]["odd"], items[1]["properties"]["odd"] = "text", [1]
    saved = Stage(store, params, SOURCE, folder()).save(harvested_day(DAY, items))
    loaded = Stage(store, params, SOURCE, folder()).load(DAY)
    assert loaded is not None
    forms = [part.items.opened(Moulds())[0] for part in (saved, loaded)]
    assert [json_paths(form.kind) for form in forms] == [["odd"]] * 2


def test_a_day_of_many_parts_is_put_together_in_steps(
    store: Store, params: RunParams, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its items are those of the same day in one step, and of its parts' files none is left."""
    monkeypatch.setattr("worker.stage._TOGETHER", 3)
    day = harvested_day(DAY, generated_items(DAY))
    expected = Stage(store, params, SOURCE, folder()).save(day)
    place = folder()
    parts: list[Part] = []
    for part in day.parts:
        assert isinstance(part, Items)
        for row in range(part.table.num_rows):
            one = Items(part.table.slice(row, 1), part.form)
            path = place / f"part-{len(parts)}.parquet"
            parts.append(one if row % 2 else ItemsFile.write(path, [one.table], one.form))
    assert len(parts) > 9
    saved = Stage(store, params, SOURCE, place).save(replace(day, parts=parts))
    assert saved.record.items == expected.record.items
    assert _rows(saved) == _rows(expected)
    assert [path.name for path in place.iterdir()] == [saved.items.path.name]


def test_a_day_without_items_is_staged_too(store: Store, params: RunParams, folder: Folder) -> None:
    """It need not be searched again to know that it is empty; an unknown count stays unknown."""
    Stage(store, params, SOURCE, folder()).save(harvested_day(DAY, [], counted=False))
    loaded = Stage(store, params, SOURCE, folder()).load(DAY)
    assert loaded is not None
    assert (loaded.record.items, loaded.record.matched) == ({}, None)
    assert pq.read_metadata(loaded.items.path).num_rows == 0


@pytest.mark.parametrize(
    "other",
    [
        {"bbox": [0, 0, 10, 10], "prefix": "hls-data"},
        {"collections": [L30], "prefix": "hls-data"},
        {"stage_id": "another"},
    ],
)
def test_a_day_of_other_parameters_is_not_reused(
    store: Store, params: RunParams, folder: Folder, other: dict[str, Any]
) -> None:
    """Another box, other collections or another stage id: the day is searched anew."""
    Stage(store, params, SOURCE, folder()).save(harvested_day(DAY, generated_items(DAY)))
    assert Stage(store, run_params(params.destination, **other), SOURCE, folder()).load(DAY) is None


def test_a_day_of_another_source_is_not_reused(store: Store, params: RunParams, folder: Folder) -> None:
    """A month is never put together from two STAC APIs."""
    Stage(store, params, SOURCE, folder()).save(harvested_day(DAY, generated_items(DAY)))
    assert Stage(store, params, f"{SOURCE}2", folder()).load(DAY) is None


@pytest.mark.parametrize(
    "values",
    [
        {"stagedAt": "2024-01-20T00:00:00Z"},
        {"schemaVersion": 0},
        {"surprise": True},
    ],
    ids=["too old", "another schema", "another form"],
)
def test_a_day_that_is_out_of_date_is_not_reused(
    store: Store, params: RunParams, folder: Folder, values: dict[str, Any]
) -> None:
    """Seven days pass, columns change, and so does the record itself."""
    Stage(store, params, SOURCE, folder()).save(harvested_day(DAY, generated_items(DAY)))
    _change_record(store, params, **values)
    assert Stage(store, params, SOURCE, folder()).load(DAY) is None


def test_a_day_that_was_staged_before_it_was_over_is_not_reused(
    store: Store, params: RunParams, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came after the first harvest would be missing."""
    saved = Stage(store, params, SOURCE, folder()).save(harvested_day(DAY, generated_items(DAY)))
    monkeypatch.setattr("worker.stage.STAGED_DAY_LIFETIME", timedelta(days=100_000))
    _change_record(store, params, stagedAt=f"{DAY}T23:59:59Z")
    assert Stage(store, params, SOURCE, folder()).load(DAY) is None
    _change_record(store, params, stagedAt=f"{DAY + timedelta(days=1)}T00:00:00Z")
    loaded = Stage(store, params, SOURCE, folder()).load(DAY)
    assert loaded is not None
    assert loaded.record.sha256 == saved.record.sha256


def test_half_a_day_is_no_day(store: Store, params: RunParams, folder: Folder) -> None:
    """A run that was killed before it wrote the record, a record whose file is gone, and a file that was spoilt."""
    key, record = staged_day_key(params.stage_id, DAY), staged_day_record_key(params.stage_id, DAY)
    saved = Stage(store, params, SOURCE, folder()).save(harvested_day(DAY, generated_items(DAY)))
    whole = saved.items.path.read_bytes()
    mark = store.get(record)

    store.delete(record)
    assert Stage(store, params, SOURCE, folder()).load(DAY) is None
    store.put(record, mark)
    store.put(key, whole[:-100] + b"x" * 100)
    assert Stage(store, params, SOURCE, folder()).load(DAY) is None
    middle = len(whole) // 2
    store.put(key, whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    assert Stage(store, params, SOURCE, folder()).load(DAY) is None
    store.delete(key)
    assert Stage(store, params, SOURCE, folder()).load(DAY) is None
    store.put(key, whole)
    assert Stage(store, params, SOURCE, folder()).load(DAY) is not None


def test_two_runs_of_one_stage_id_do_not_mix_their_days(store: Store, params: RunParams, folder: Folder) -> None:
    """A run that is thought dead writes its record beside the file of the retry: nobody takes the one for the other,
    even where both hold equally many items."""
    ours = harvested_day(DAY, generated_items(DAY))
    theirs = harvested_day(DAY, generated_items(DAY, seed=1))
    assert _count(ours) == _count(theirs)
    Stage(store, params, SOURCE, folder()).save(ours)
    late_record = store.get(staged_day_record_key(params.stage_id, DAY))
    Stage(store, params, SOURCE, folder()).save(theirs)
    store.put(staged_day_record_key(params.stage_id, DAY), late_record)
    assert Stage(store, params, SOURCE, folder()).load(DAY) is None


def test_a_day_is_as_old_as_its_first_slice(store: Store, params: RunParams, folder: Folder) -> None:
    """A day that was finished with slices of an earlier attempt is no fresher than they are."""
    whole = harvested_day(DAY, generated_items(DAY))
    first, *others = slices_of(DAY, params.collections, None)[0].divided(1000)
    ours = Stage(store, params, SOURCE, folder()).begun(DAY, slices_of(DAY, params.collections, None))
    before = datetime.now(UTC)
    part = whole.parts[0]
    assert isinstance(part, Items)
    ours.keep(first, part, True)
    middle = datetime.now(UTC)
    again = Stage(store, params, SOURCE, folder()).begun(DAY, slices_of(DAY, params.collections, None))
    again.keep(others[0], part, True)
    assert before <= again.since <= middle


def test_clear_removes_the_days_and_nothing_else(store: Store, params: RunParams, folder: Folder) -> None:
    """Of this stage id, record and file; days that never were are no fault."""
    Stage(store, params, SOURCE, folder()).save(harvested_day(DAY, []))
    other = run_params(params.destination, job_id="other")
    Stage(store, other, SOURCE, folder()).save(harvested_day(DAY, []))
    clear(store, params.stage_id, [DAY, date(2024, 1, 6)])
    assert [stat.key for stat in store.scan("_jobs/")] == sorted(
        [staged_day_key("other", DAY), staged_day_record_key("other", DAY)], key=lambda key: key
    )
