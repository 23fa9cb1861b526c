"""Statistics of one file: exact, and with a word for what the file does not tell."""

import math
import random
import re
import statistics
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from api.catalog.engine import Engine
from api.catalog.statistics import Statistics, Unreadable
from storage import open_store
from tests.api.catalog.partition_files import MONTH, SCHEMA, Row, parquet_bytes, provenance_of, put_partition, rows_of
from worker.contract import layout
from worker.contract.result import PROVENANCE_KEY


def _examine(duck: Engine, folder: Path, content: bytes) -> Statistics:
    path = folder / "data.parquet"
    path.write_bytes(content)
    return duck.statistics(str(path), MONTH)


def _assert_exact(found: Statistics, rows: list[Row]) -> None:
    """Compare every figure with a count over the rows, to the last digit."""
    summary, detail = found.summary, found.detail
    clouds = sorted(row["eo:cloud_cover"] for row in rows if row["eo:cloud_cover"] is not None)
    by_day = Counter(row["datetime"].date() for row in rows)
    by_day_and_collection = Counter((row["datetime"].date(), row["collection"]) for row in rows)
    tiles = Counter(re.split(r"\.T?", row["id"])[2] for row in rows)
    assert found.items == len(rows)
    assert summary.collections == Counter(row["collection"] for row in rows)
    assert (summary.first_datetime, summary.last_datetime) == (
        min(row["datetime"] for row in rows),
        max(row["datetime"] for row in rows),
    )
    assert summary.extent == (
        min(row["bbox"]["xmin"] for row in rows),
        min(row["bbox"]["ymin"] for row in rows),
        max(row["bbox"]["xmax"] for row in rows),
        max(row["bbox"]["ymax"] for row in rows),
    )
    assert summary.days_present == len(by_day)
    assert summary.days_missing == [day for day in MONTH.days() if day not in by_day]
    assert detail.days is not None
    assert [(day.day, day.items) for day in detail.days] == [(day, by_day[day]) for day in MONTH.days()]
    assert {(d.day, c): n for d in detail.days for c, n in d.collections.items()} == by_day_and_collection

    assert summary.cloud_cover is not None
    assert (summary.cloud_cover.count, summary.cloud_cover.nulls) == (len(clouds), len(rows) - len(clouds))
    assert summary.cloud_cover.mean == statistics.fmean(clouds)
    assert (summary.cloud_cover.min, summary.cloud_cover.max) == (clouds[0], clouds[-1])
    for percent in (5, 25, 50, 75, 95):
        assert summary.cloud_cover.percentiles[f"p{percent}"] == clouds[math.ceil(percent * len(clouds) / 100) - 1]
    bins = Counter(min(int(value // 10), 9) for value in clouds)
    assert detail.cloud_cover_histogram is not None
    assert [b.items for b in detail.cloud_cover_histogram] == [bins[index] for index in range(10)]

    assert detail.tiles is not None
    assert (detail.tiles.number, detail.tiles.without) == (len(tiles), 0)
    expected = sorted(tiles.items(), key=lambda pair: (-pair[1], pair[0]))[:20]
    assert [(tile.tile, tile.items) for tile in detail.tiles.top] == expected
    assert detail.duplicated_ids == len(rows) - len({row["id"] for row in rows})


@pytest.mark.parametrize("number", [1, 7, 5000])
def test_statistics_are_exact(duck: Engine, tmp_path: Path, number: int) -> None:
    """Every figure equals a brute-force count, floats to the last digit."""
    rows = rows_of(MONTH, number, seed=number)
    found = _examine(duck, tmp_path, parquet_bytes(rows, provenance_of(rows)))
    _assert_exact(found, rows)
    assert found.summary.notes == []


def test_statistics_from_a_bucket(duck: Engine, s3_root: str) -> None:
    """A file in a bucket is read with the endpoint and credentials of the environment."""
    store = open_store(s3_root)
    rows = put_partition(store, 2000)
    key = layout.partition_key("hls-data", MONTH)
    _assert_exact(duck.statistics(store.locate(key), MONTH), rows)
    with pytest.raises(Unreadable):
        duck.statistics(store.locate("hls-data/year=2024/month=01/data.parquet"), MONTH)


def test_credentials_are_found_anew_for_each_reading(
    duck: Engine, s3_root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Credentials that were replaced since the last reading are used: a service may be up for weeks."""
    store = open_store(s3_root)
    put_partition(store)
    uri = store.locate(layout.partition_key("hls-data", MONTH))
    with monkeypatch.context() as expired:
        expired.setenv("AWS_SECRET_ACCESS_KEY", "expired")
        with pytest.raises(Unreadable):
            duck.statistics(uri, MONTH)
    assert duck.statistics(uri, MONTH).items == 50


def test_the_footer_is_told(duck: Engine, tmp_path: Path) -> None:
    """Our own file says what it was made of; row groups and sizes come from the footer too."""
    rows = rows_of(MONTH, 25)
    content = parquet_bytes(rows, provenance_of(rows, job_id="abc"), group_rows=10)
    found = _examine(duck, tmp_path, content)
    assert found.provenance is not None
    assert found.provenance.job_id == "abc"
    assert found.detail.footer is not None
    assert found.detail.footer.anomalies == {"missing-bands": 2}
    assert found.detail.footer.source == "https://stac.example.test"
    groups = found.detail.row_groups
    assert groups is not None
    assert (groups.number, groups.min_rows, groups.max_rows) == (3, 5, 10)
    assert groups.footer_bytes == int.from_bytes(content[-8:-4], "little")
    assert groups.uncompressed_bytes > 0


def test_a_footer_that_does_not_fit_is_not_believed(duck: Engine, tmp_path: Path) -> None:
    """A file that was rewritten with fewer rows, or moved to another month, keeps no claim to be complete."""
    rows = rows_of(MONTH, 10)
    shortened = _examine(duck, tmp_path, parquet_bytes(rows[:6], provenance_of(rows)))
    assert shortened.provenance is None
    assert "10 items of 202402, but the file holds 6" in shortened.summary.notes[0]
    moved = _examine(duck, tmp_path, parquet_bytes(rows, provenance_of(rows, MONTH.next())))
    assert moved.provenance is None
    broken = pa.schema(list(SCHEMA), metadata={PROVENANCE_KEY: b"{"})
    found = _examine(duck, tmp_path, parquet_bytes(rows, schema=broken))
    assert (found.items, found.provenance) == (10, None)
    assert "is not valid" in found.summary.notes[0]


def test_month_and_day_borders(duck: Engine, tmp_path: Path) -> None:
    """Days are half-open in UTC; items of another month or without datetime are counted apart and noted."""
    rows = rows_of(MONTH, 6)
    tick = timedelta(microseconds=1)
    moments = [
        MONTH.start - tick,
        MONTH.start,
        MONTH.start + timedelta(days=1) - tick,
        MONTH.end - tick,
        MONTH.end,
        None,
    ]
    for row, moment in zip(rows, moments, strict=True):
        row["datetime"] = moment
    found = _examine(duck, tmp_path, parquet_bytes(rows))
    assert found.detail.days is not None
    assert {day.day.day: day.items for day in found.detail.days if day.items} == {1: 2, 29: 1}
    assert (found.detail.outside_month, found.detail.without_datetime) == (2, 1)
    assert found.summary.notes == [
        "items without a datetime: 1; no day counts them",
        "items of another month: 2; no day counts them",
    ]


def test_doubled_items_are_counted(duck: Engine, tmp_path: Path) -> None:
    """Rows that repeat an id are counted and noted."""
    rows = rows_of(MONTH, 5)
    found = _examine(duck, tmp_path, parquet_bytes([*rows, rows[0], rows[0], rows[1]]))
    assert found.detail.duplicated_ids == 3
    assert "items whose id another item has too: 3" in found.summary.notes


def test_no_items(duck: Engine, tmp_path: Path) -> None:
    """A partition without items has counts of nought and no ranges."""
    found = _examine(duck, tmp_path, parquet_bytes([], provenance_of([])))
    assert (found.items, found.summary.collections, found.summary.days_present) == (0, {}, 0)
    assert found.summary.extent is None
    assert found.summary.cloud_cover is not None
    assert (found.summary.cloud_cover.count, found.summary.cloud_cover.mean) == (0, None)
    assert found.provenance is not None


def test_a_file_of_another_shape_gives_what_it_can(duck: Engine, tmp_path: Path) -> None:
    """Times as text, whole numbers as cloud cover, no box and no collection: counted, with a note on what is lost."""
    schema = pa.schema(
        [("id", pa.large_string()), ("datetime", pa.string()), ("eo:cloud_cover", pa.int32()), ("bbox", pa.string())]
    )
    rows: list[Row] = [
        {"id": "a", "datetime": "2024-02-03T23:59:59.5Z", "eo:cloud_cover": 5, "bbox": "x"},
        {"id": "b", "datetime": "2024-02-03T23:59:59-02:00", "eo:cloud_cover": None, "bbox": None},
        {"id": "c", "datetime": "yesterday", "eo:cloud_cover": 100, "bbox": None},
    ]
    found = _examine(duck, tmp_path, parquet_bytes(rows, schema=schema))
    assert found.items == 3
    assert found.summary.last_datetime == datetime(2024, 2, 4, 1, 59, 59, tzinfo=UTC)
    assert found.detail.days is not None
    assert [day.items for day in found.detail.days[2:4]] == [1, 1]
    assert (found.summary.collections, found.summary.extent) == (None, None)
    assert found.detail.tiles is not None
    assert found.detail.tiles.without == 3
    assert found.summary.cloud_cover is not None
    assert found.summary.cloud_cover.mean == 52.5
    assert found.summary.notes == [
        "no column collection: collections are not told apart",
        "column bbox has the type string: the extent is not known",
        "items without a datetime: 1; no day counts them",
    ]


def test_a_file_that_holds_no_items_at_all(duck: Engine, tmp_path: Path) -> None:
    """A table of something else is counted, and all that it does not tell is null."""
    found = _examine(
        duck, tmp_path, parquet_bytes([{"price": 1.0} for _ in range(4)], schema=pa.schema([("price", pa.float64())]))
    )
    assert found.items == 4
    assert len(found.summary.notes) == 5
    assert (found.detail.columns, found.detail.geoparquet) == (["price"], False)
    assert found.detail.model_dump(exclude={"row_groups", "columns", "geoparquet"}) == dict.fromkeys(
        found.detail.model_dump(exclude={"row_groups", "columns", "geoparquet"})
    )


def test_a_box_across_the_antimeridian_spans_the_world(duck: Engine, tmp_path: Path) -> None:
    """A box whose west is greater than its east, as GeoParquet has it, widens the extent to -180 and 180."""
    rows = rows_of(MONTH, 1)
    rows[0]["bbox"] = {"xmin": 179.5, "ymin": -17.0, "xmax": -179.5, "ymax": -16.0}
    assert _examine(duck, tmp_path, parquet_bytes(rows)).summary.extent == (-180.0, -17.0, 180.0, -16.0)


def test_files_that_cannot_be_read(duck: Engine, tmp_path: Path) -> None:
    """What is no Parquet, is cut short, has a broken page or is not there ends in one kind of error with a reason."""
    whole = parquet_bytes(rows_of(MONTH, 500))
    broken = bytearray(whole)
    broken[4:2000] = b"\xff" * 1996
    for content in (b"not parquet at all", whole[: len(whole) // 2], whole[-200:], bytes(broken), b"PAR1PAR1"):
        with pytest.raises(Unreadable, match=r"\w"):
            _examine(duck, tmp_path, content)
    with pytest.raises(Unreadable, match="No such file"):
        duck.statistics(str(tmp_path / "absent.parquet"), MONTH)
    assert _examine(duck, tmp_path, whole).items == 500


def test_damage_anywhere_is_survived(duck: Engine, tmp_path: Path) -> None:
    """Bytes changed at random, most in the footer: figures or a reason, and never the end of the process."""
    draw = random.Random(7)
    whole = parquet_bytes(rows_of(MONTH, 50))
    footer = int.from_bytes(whole[-8:-4], "little")
    reasons = []
    for index in range(120):
        damaged = bytearray(whole)
        start = 0 if index % 4 == 0 else len(whole) - footer - 8
        for _ in range(draw.randint(1, 5)):
            damaged[draw.randrange(start, len(whole))] = draw.randrange(256)
        try:
            _examine(duck, tmp_path, bytes(damaged))
        except Unreadable as error:
            reasons.append(str(error))
    assert len(reasons) > 30
    assert all(reasons)


def test_memory_is_bounded_and_calls_run_side_by_side(tmp_path: Path) -> None:
    """With little memory and four threads at once each call has its own exact figures."""
    rows = rows_of(MONTH, 3000)
    contents = [parquet_bytes(rows[: 1000 * (index % 3 + 1)]) for index in range(8)]
    paths = [tmp_path / f"{index}.parquet" for index in range(8)]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    with Engine(memory_limit="64MB", threads=1) as duck, ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda path: duck.statistics(str(path), MONTH).items, paths))
    assert found == [1000 * (index % 3 + 1) for index in range(8)]


def test_no_extension_and_no_file_is_within_reach_of_sql(duck: Engine, tmp_path: Path) -> None:
    """DuckDB loads nothing from the network and opens no files: reading is pyarrow's business."""
    path = tmp_path / "data.parquet"
    path.write_bytes(parquet_bytes(rows_of(MONTH, 1)))
    with duck._cursor() as cursor:
        settings = (
            "SELECT current_setting('autoinstall_known_extensions'), current_setting('autoload_known_extensions')"
        )
        assert cursor.execute(settings).fetchone() == (False, False)
        with pytest.raises(Exception, match="disabled"):
            cursor.execute("SELECT * FROM read_parquet(?)", [str(path)])
