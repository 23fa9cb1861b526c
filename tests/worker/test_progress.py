"""The progress that the service reads."""

import json
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path

import pytest
from watched_store import WatchedStore

from storage import StorageError, Store, open_store
from worker.contract.documents import Progress
from worker.contract.layout import progress_key
from worker.progress import Reporter
from worker.source.watch import Watch

DAYS = [date(2024, 1, 1) + timedelta(days=n) for n in range(31)]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store((tmp_path / "archive").as_uri())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.progress._EVERY", 0.01)


def _until(look: Callable[[], bool]) -> None:
    for _ in range(1000):
        if look():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it does not come to pass")


def _read(store: Store) -> Progress:
    """The document, as soon as there is one."""
    _until(lambda: store.head(progress_key("job")) is not None)
    return Progress.from_json(store.get(progress_key("job")))


def test_the_document_follows_the_run(store: Store) -> None:
    """Days, items of this run and of reused days, the phase, and what is waited for, while the run goes on."""
    watch = Watch(60)
    with Reporter(store, "job", watch, DAYS) as reporter:
        assert (_read(store).days_done, _read(store).days_total, _read(store).phase) == (0, 31, "harvesting")
        watch.received(100)
        watch.complained("503 Service Unavailable")
        reporter.day_done(DAYS[0], 100)
        reporter.day_done(DAYS[1], 50, reused=True)
        _until(lambda: (_read(store).days_done, _read(store).items) == (2, 150))
        assert _read(store).waiting_for == "503 Service Unavailable"
        assert _read(store).items_per_second > 0
        reporter.phase("merging")
        _until(lambda: _read(store).phase == "merging")
        reporter.merged(149)
    assert _read(store).items == 149


def test_days_that_end_together_are_all_counted(store: Store) -> None:
    """Each is told from a thread of its own."""
    with Reporter(store, "job", Watch(60), DAYS) as reporter, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda day: reporter.day_done(day, 1, reused=True), DAYS))
        _until(lambda: (_read(store).days_done, _read(store).items) == (31, 31))


def test_a_day_is_a_line_in_the_log(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """With its date, its items, and whether it was staged before."""
    caplog.set_level(logging.INFO, "worker")
    with Reporter(store, "job", Watch(60), DAYS) as reporter:
        reporter.day_done(DAYS[4], 7, reused=True)
    (line,) = [vars(record) for record in caplog.records if record.message == "a day is staged"]
    assert (line["action"], line["day"], line["items"], line["reused"]) == ("day_staged", "2024-01-05", 7, True)
    assert (line["days_done"], line["days_total"]) == (1, 31)


def test_a_progress_that_cannot_be_written_ends_no_run(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, tried again, and written once that works."""
    refusals = 3

    def refuse(number: int, _name: str, _key: str) -> None:
        if number <= refusals:
            raise StorageError("no space")

    with Reporter(WatchedStore(store, before=refuse), "job", Watch(60), DAYS):
        _read(store)
    told = [record for record in caplog.records if record.message == "the progress could not be written"]
    assert len(told) == refusals
    assert json.loads(store.get(progress_key("job")))["jobId"] == "job"


def test_a_storage_that_hangs_does_not_keep_the_run_from_ending(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last write is waited for, but not for long."""
    monkeypatch.setattr("worker.progress._LAST_SECONDS", 0.05)
    hangs, go_on = threading.Event(), threading.Event()

    def hang(*_: object) -> None:
        hangs.set()
        go_on.wait(30)

    with Reporter(WatchedStore(store, before=hang), "job", Watch(60), DAYS):
        assert hangs.wait(30)
    assert not go_on.is_set()
    go_on.set()
