"""Days become one month, whatever each of them holds."""

import json
import threading
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any
from weakref import WeakSet

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stac_items import READERS, comparable
from staged_days import generated_items, harvested_day, run_params

from storage import open_store
from worker import geoparquet
from worker.errors import Interrupted
from worker.merge import Merged, _ahead, _row_groups, merge_days
from worker.sorting import crosses
from worker.stage import Stage, Staged

DAYS = [date(2024, 1, day) for day in (3, 4, 5)]

Items = list[dict[str, Any]]
StageAll = Callable[[dict[date, Items]], list[Staged]]


@pytest.fixture
def staged(tmp_path: Path) -> StageAll:
    """The days as a run has them, one after another."""
    params = run_params((tmp_path / "archive").as_uri())
    stage = Stage(open_store(params.destination), params, "http://127.0.0.1", tmp_path)
    return lambda days: [stage.save(harvested_day(day, items)) for day, items in days.items()]


def _crosses(item: dict[str, Any]) -> bool:
    west, _, east, _ = item["bbox"]
    return bool(west > east or (west, east) == (-180, 180))


def _finished(merged: Merged) -> None:
    bbox = list(merged.extent) if merged.extent else None
    merged.finish(
        geoparquet.metadata(geometry_types=merged.geometry_types, bbox=bbox, collections={}, extra={"hls:x": "y"})
    )


def test_days_of_different_shapes(staged: StageAll, tmp_path: Path) -> None:
    """A column that only one day has, a number that is whole on one day and not on another, a text that is a list on
    another: every item comes back as it was served, and the columns of JSON text are named."""
    days = {day: generated_items(day)[:4] for day in DAYS}
    days[DAYS[0]][0]["properties"]["only:first"] = {"deep": [{"a": 1}]}
    days[DAYS[1]][0]["assets"]["extra"] = {"href": "https://example.com/x", "title": "more"}
    for day, count, odd in zip(DAYS, (1, 2.5, None), ("text", ["list"], {"or": "object"}), strict=True):
        days[day][1]["properties"] |= {"count": count, "odd": odd}
    merged = merge_days(staged(days), tmp_path / "data.parquet")
    _finished(merged)
    items = [item for day in days.values() for item in day]
    assert merged.items == len(items)
    assert merged.json_columns == ["odd"]
    read = comparable(READERS["rustac"](tmp_path / "data.parquet"))
    for item in items:
        if (odd := item["properties"].get("odd")) is not None:
            item["properties"]["odd"] = json.dumps(odd, separators=(",", ":"))
    assert read == comparable(items)


def test_the_order_of_the_file(staged: StageAll, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By id, over all the days; items that cross the antimeridian come last and in row groups of their own; no row
    group is larger than it should be."""
    monkeypatch.setattr("worker.geoparquet.ROWS_PER_GROUP", 5)
    days = {day: generated_items(day) for day in DAYS}
    for items in days.values():
        items[0]["bbox"] = [-180, 10, 180, 11]
    crossing = [item for items in days.values() for item in items if _crosses(item)]
    merged = merge_days(staged(days), tmp_path / "data.parquet")
    _finished(merged)
    file = pq.ParquetFile(tmp_path / "data.parquet")
    groups = [file.read_row_group(n, columns=["id"]).column("id").to_pylist() for n in range(file.num_row_groups)]
    ids = [item["id"] for items in days.values() for item in items]
    last = sorted(item["id"] for item in crossing)
    assert [name for group in groups for name in group] == [*sorted(set(ids) - set(last)), *last]
    assert all(set(group) <= set(last) or not set(group) & set(last) for group in groups)
    assert max(map(len, groups)) == geoparquet.rows_per_group(len(ids))


@given(plain=st.integers(0, 60_000), crossing=st.integers(0, 60_000), piece=st.integers(100, 30_000))
def test_row_groups_are_large_enough(plain: int, crossing: int, piece: int) -> None:
    """However many items a file has and however they come: 10,000 rows and more in the mean of its row groups, as
    checkers want it, and no group that is larger than it has to be for that."""
    items = plain + crossing
    box = pa.array([{"xmin": -180.0, "xmax": 179.0}, {"xmin": -180.0, "xmax": 180.0}])
    table = pa.table(
        {"bbox": box.take(pa.array([0] * plain + [1] * crossing, pa.int8())), "id": pa.array(range(items))}
    )
    pieces = (table.slice(begin, piece) for begin in range(0, items, piece))
    groups = list(_row_groups(pieces, geoparquet.rows_per_group(items)))
    assert pa.concat_tables([table.slice(0, 0), *groups]).column("id").combine_chunks() == pa.array(range(items))
    assert all(len(crosses(group).unique()) == 1 for group in groups)
    assert len(groups) <= max(items // 10_000, 1 + bool(plain and crossing))
    assert max((group.num_rows for group in groups), default=0) < 30_000


def test_what_the_merge_saw(staged: StageAll, tmp_path: Path) -> None:
    """Extent and times are those of all the items; the footer holds GeoParquet's and STAC-GeoParquet's metadata and
    what the caller adds."""
    days = {day: generated_items(day) for day in DAYS}
    merged = merge_days(staged(days), tmp_path / "data.parquet")
    _finished(merged)
    items = [item for day in days.values() for item in day]
    boxes = [[-180, item["bbox"][1], 180, item["bbox"][3]] if _crosses(item) else item["bbox"] for item in items]
    corners = list(zip(*boxes, strict=True))
    assert merged.extent is not None
    assert list(merged.extent) == [min(corners[0]), min(corners[1]), max(corners[2]), max(corners[3])]
    times = sorted(item["properties"]["datetime"] for item in items)
    assert merged.first_datetime is not None
    assert merged.last_datetime is not None
    assert merged.first_datetime.isoformat()[:19] == times[0][:19]
    assert merged.last_datetime.isoformat()[:19] == times[-1][:19]
    footer = {
        key.decode(): value.decode() for key, value in pq.read_metadata(tmp_path / "data.parquet").metadata.items()
    }
    geo = json.loads(footer["geo"])
    assert merged.geometry_types == sorted({item["geometry"]["type"] for item in items})
    assert geo["columns"]["geometry"]["geometry_types"] == merged.geometry_types
    assert geo["columns"]["geometry"]["bbox"] == list(merged.extent)
    assert json.loads(footer["stac-geoparquet"])["version"] == "1.1.0"
    assert footer["hls:x"] == "y"


def test_a_month_without_items(staged: StageAll, tmp_path: Path) -> None:
    """An empty file with every column, which readers open."""
    full = merge_days(staged({DAYS[0]: generated_items(DAYS[0])}), tmp_path / "full.parquet")
    _finished(full)
    merged = merge_days(staged({day: [] for day in DAYS}), tmp_path / "data.parquet")
    _finished(merged)
    assert (merged.items, merged.extent, merged.first_datetime) == (0, None, None)
    assert pq.read_schema(tmp_path / "data.parquet").names == pq.read_schema(tmp_path / "full.parquet").names
    assert READERS["rustac"](tmp_path / "data.parquet") == []


def test_a_merge_that_is_stopped(staged: StageAll, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two row groups, so that a stop need not wait for a large month; what was written is no whole file."""
    monkeypatch.setattr("worker.geoparquet.ROWS_PER_GROUP", 5)
    days = staged({day: generated_items(day) for day in DAYS})
    rows = geoparquet.rows_per_group(sum(sum(day.record.items.values()) for day in days))
    pauses = iter(range(100))

    def pause() -> None:
        if next(pauses) == 2:
            raise Interrupted

    with pytest.raises(Interrupted):
        merge_days(days, tmp_path / "data.parquet", pause=pause)
    assert pq.read_metadata(tmp_path / "data.parquet").num_rows == 2 * rows


def test_a_month_of_very_many_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first groups are prepared while the one before is written; of the others one is in memory at a time, for what
    the writer knows of all of them is there too."""
    monkeypatch.setattr("worker.merge._GROUPS_AHEAD", 3)
    alive: WeakSet[Any] = WeakSet()
    most: list[int] = []
    prepared = threading.Event()

    class Group:
        pass

    def prepare(number: Any) -> Any:
        group = Group()
        alive.add(group)
        most.append(len(alive))
        prepared.set()
        return group

    written = 0
    for group in _ahead(prepare, iter(range(8))):
        written += 1
        if written <= 3:  # the next is on its way, though this one is not written yet
            assert prepared.wait(5)
        prepared.clear()
        del group
    assert written == 8
    assert most[4:] == [1, 1, 1, 1]
