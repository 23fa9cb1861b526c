"""The catalogue follows the archive: what is new, changed, gone, broken, or none of its business."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest
from sqlmodel import Session

from api import db
from api.catalog import store as catalog_store
from api.catalog.engine import Engine
from api.catalog.models import Partition
from api.catalog.service import CatalogService
from api.catalog.statistics import Statistics
from storage import StorageError, Store, open_store
from tests.api.catalog.partition_files import MONTH, parquet_bytes, put_partition, rows_of
from worker.contract import layout
from worker.contract.bbox import BBox
from worker.contract.collections import COLLECTIONS, L30
from worker.contract.documents import DatasetBinding
from worker.contract.month import Month

Sessions = Callable[[], AbstractContextManager[Session]]

TEN_MINUTES = timedelta(minutes=10)


class CountingEngine(Engine):
    """Remembers what it was asked to read."""

    def __init__(self) -> None:
        super().__init__(threads=1)
        self.read: list[str] = []

    def statistics(self, uri: str, month: Month) -> Statistics:
        self.read.append(uri)
        return super().statistics(uri, month)


def _partitions(sessions: Sessions) -> dict[tuple[str, str], Partition]:
    with sessions() as session:
        return {(row.prefix, row.year_month): row for row in catalog_store.partitions(session)}


def _ignored(sessions: Sessions) -> dict[str, str]:
    with sessions() as session:
        last = catalog_store.last_refresh(session)
    assert last is not None
    return {row["key"]: row["reason"] for row in last.ignored}


def test_a_refresh_takes_in_what_is_there(archive: str, duck: Engine, sessions: Sessions) -> None:
    """On a directory and on S3: partitions of every dataset with their figures, and the bindings; not the jobs' folder."""
    store = open_store(archive)
    rows = put_partition(store, 40, job_id="job-7")
    put_partition(store, 3, month=MONTH.next(), prefix="a/b", foreign=True)
    box = DatasetBinding(bbox=BBox(170, -20, -170, 10), collections=(L30,))
    store.put(layout.dataset_key("a/b"), box.to_json())
    store.put("_jobs/x/days/2024-02-01.parquet", b"staged")
    service = CatalogService(store, duck)
    outcome = service.refresh(sessions)
    assert (outcome.taken, outcome.removed, outcome.failed, outcome.ignored) == (2, 0, 0, 0)
    found = _partitions(sessions)
    assert found.keys() == {("hls-data", "202402"), ("a/b", "202403")}
    ours = found["hls-data", "202402"]
    assert (ours.items, ours.matched, ours.complete, ours.job_id) == (40, 40, True, "job-7")
    assert ours.summary is not None
    assert sum(ours.summary["collections"].values()) == len(rows)
    assert found["a/b", "202403"].harvested_at is None
    with sessions() as session:
        assert service.binding_of(session, "a/b") == box
        assert service.binding_of(session, "hls-data") is None


def test_each_file_is_read_once(store: Store, sessions: Sessions) -> None:
    """Statistics are taken once for each path and ETag, whether a job or a refresh meets the file first."""
    with CountingEngine() as duck:
        service = CatalogService(store, duck)
        put_partition(store)
        service.register(sessions, "hls-data", MONTH, "job-1")
        service.refresh(sessions)
        service.register(sessions, "hls-data", MONTH, "job-1")
        assert len(duck.read) == 1
        put_partition(store, 60)
        service.refresh(sessions)
        service.refresh(sessions)
        assert len(duck.read) == 2
    assert _partitions(sessions)["hls-data", "202402"].items == 60


def test_files_are_read_outside_of_any_transaction(store: Store, sessions: Sessions) -> None:
    """A file may be large and the archive slow, and SQLite has one writer."""
    under_way: list[int] = []
    opened = 0

    @contextmanager
    def counted() -> Iterator[Session]:
        nonlocal opened
        opened += 1
        with sessions() as session:
            yield session
        opened -= 1

    class Watched(CountingEngine):
        def statistics(self, uri: str, month: Month) -> Statistics:
            under_way.append(opened)
            return super().statistics(uri, month)

    put_partition(store, job_id="job-1")
    store.put(layout.dataset_key("hls-data"), DatasetBinding(collections=COLLECTIONS).to_json())
    with Watched() as watched:
        assert CatalogService(store, watched).register(counted, "hls-data", MONTH, "job-1") == "job-1"
    assert under_way == [0]


def test_what_is_gone_is_forgotten(catalog: CatalogService, store: Store, sessions: Sessions) -> None:
    """A partition and a binding that were removed behind the service's back leave the catalogue."""
    put_partition(store)
    put_partition(store, month=MONTH.next())
    store.put(layout.dataset_key("hls-data"), DatasetBinding(collections=COLLECTIONS).to_json())
    catalog.refresh(sessions)
    store.delete(layout.partition_key("hls-data", MONTH))
    store.delete(layout.dataset_key("hls-data"))
    assert catalog.refresh(sessions).removed == 2
    assert _partitions(sessions).keys() == {("hls-data", "202403")}
    with sessions() as session:
        assert catalog.binding_of(session, "hls-data") is None
    store.delete(layout.partition_key("hls-data", MONTH.next()))
    catalog.register(sessions, "hls-data", MONTH.next())
    assert _partitions(sessions) == {}


def test_bad_company_spoils_nothing(archive: str, duck: Engine, sessions: Sessions) -> None:
    """Corrupt, empty and foreign files and folders that are no partitions: each shown or passed over, with its reason."""
    store = open_store(archive)
    whole = parquet_bytes(rows_of(MONTH, 300))
    put_partition(store, 30)
    store.put("hls-data/year=2023/month=01/data.parquet", whole[:1000])
    store.put("hls-data/year=2023/month=02/data.parquet", b"")
    store.put("hls-data/year=2023/month=03/data.parquet", whole)
    store.put("hls-data/year=2023/month=13/data.parquet", whole)
    store.put("hls-data/year=2023/month=04/data.parquet/part-0.parquet", whole)
    store.put("hls-data/year=1999/month=01/data.parquet", whole)
    store.put("Photos/cat.jpg", b"cat")
    store.put("Photos/dog.jpg", b"dog")
    store.put("HLS/year=2024/month=01/data.parquet", whole)
    store.put("other/_dataset.json", b"{}")
    outcome = CatalogService(store, duck).refresh(sessions)
    assert (outcome.taken, outcome.failed) == (4, 0)
    found = {month: row for (_prefix, month), row in _partitions(sessions).items()}
    assert {month: row.items for month, row in found.items()} == {
        "202402": 30,
        "202301": None,
        "202302": None,
        "202303": 300,
    }
    assert found["202302"].unreadable == "the file is empty"
    assert "Parquet" in (found["202301"].unreadable or "")
    assert found["202303"].unreadable is None
    ignored = _ignored(sessions)
    assert ignored.keys() == {
        "hls-data/year=2023/month=13/",
        "hls-data/year=2023/month=04/data.parquet/",
        "hls-data/year=1999/month=01/data.parquet",
        "Photos/",
        "HLS/year=2024/month=01/data.parquet",
        "other/_dataset.json",
    }
    assert "lower-case" in ignored["HLS/year=2024/month=01/data.parquet"]
    assert "before the archive's first month" in ignored["hls-data/year=1999/month=01/data.parquet"]
    assert "not the binding of a dataset" in ignored["other/_dataset.json"]


def test_a_file_that_was_mended_is_read_again(catalog: CatalogService, store: Store, sessions: Sessions) -> None:
    """An unreadable file is tried again at every refresh, and its figures replace the reason."""
    key = layout.partition_key("hls-data", MONTH)
    store.put(key, b"half a file")
    catalog.refresh(sessions)
    assert _partitions(sessions)["hls-data", "202402"].unreadable
    assert catalog.refresh(sessions).taken == 1
    put_partition(store, 9)
    catalog.refresh(sessions)
    row = _partitions(sessions)["hls-data", "202402"]
    assert (row.unreadable, row.items) == (None, 9)


def test_many_strangers_are_counted_and_not_all_named(
    catalog: CatalogService, store: Store, sessions: Sessions
) -> None:
    """The list of what is passed over stays short, and says how much it leaves out."""
    for index in range(120):
        store.put(f"stuff/{index:03d}/x", b"")
    catalog.refresh(sessions)
    ignored = _ignored(sessions)
    assert len(ignored) == 101
    assert ignored[""] == "20 more objects are passed over and not named here"


def test_a_file_that_is_replaced_while_it_is_read(store: Store, duck: Engine, sessions: Sessions) -> None:
    """The figures belong to the ETag that stands beside them, though another file came in between."""

    class Racing(CountingEngine):
        def statistics(self, uri: str, month: Month) -> Statistics:
            found = super().statistics(uri, month)
            if len(self.read) == 1:
                put_partition(store, 77, seed=5)
            return found

    put_partition(store, 10)
    with Racing() as racing:
        CatalogService(store, racing).refresh(sessions)
    row = _partitions(sessions)["hls-data", "202402"]
    present = store.head(layout.partition_key("hls-data", MONTH))
    assert present is not None
    assert (row.items, row.etag) == (77, present.etag)


def test_an_archive_that_cannot_be_listed(
    catalog: CatalogService, store: Store, sessions: Sessions, tmp_path: Path
) -> None:
    """Nothing is forgotten when the archive goes away; the reason is kept, and the next look waits a minute."""
    put_partition(store)
    catalog.refresh(sessions)
    (tmp_path / "archive").rename(tmp_path / "elsewhere")
    (tmp_path / "archive").write_text("not a directory")
    with pytest.raises(StorageError):
        catalog.refresh(sessions)
    assert len(_partitions(sessions)) == 1
    with sessions() as session:
        last = catalog_store.last_refresh(session)
        assert last is not None
        assert last.error
        catalog.request_refresh(session)
    with sessions() as session:
        assert not catalog.is_refresh_due(session, every=TEN_MINUTES)


def test_when_a_refresh_is_due(catalog: CatalogService, sessions: Sessions) -> None:
    """At first, when asked for, and when the last one is too old; a request during a refresh is not lost."""

    def is_due(every: timedelta = TEN_MINUTES) -> bool:
        with sessions() as session:
            return catalog.is_refresh_due(session, every=every)

    assert is_due()
    catalog.refresh(sessions)
    assert not is_due()
    assert is_due(timedelta(0))
    with sessions() as session:
        catalog.request_refresh(session)
    assert is_due()
    began = db.now()
    with sessions() as session:
        catalog.request_refresh(session)
    with sessions() as session:
        catalog_store.end_refresh(session, started_at=began, error=None, ignored=[])
    assert is_due()
    catalog.refresh(sessions)
    assert not is_due()


def test_a_refresh_stops_when_told(catalog: CatalogService, store: Store, sessions: Sessions) -> None:
    """A stopping service does not wait for every file, and the refresh stays due."""
    put_partition(store)
    stop = Event()
    stop.set()
    catalog.refresh(sessions, stop=stop)
    assert _partitions(sessions) == {}
    with sessions() as session:
        assert catalog.is_refresh_due(session, every=TEN_MINUTES)
