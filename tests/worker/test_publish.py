"""Who may publish: the rules of storage, with every rival."""

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from staged_days import digests
from watched_store import WatchedStore

from storage import StorageError, Store
from tests.worker.publishing import KEY, Make, cancel
from worker.contract.collections import L30
from worker.contract.documents import DatasetBinding, Decision
from worker.contract.layout import dataset_key, decision_key, result_key
from worker.contract.result import RunResult
from worker.errors import BadParameters, Cancelled, Conflict, RunError, WouldShrink


def test_a_first_partition(store: Store, attempt: Make) -> None:
    """The file, the binding, the decision and the result stand there, and the result tells what stands there."""
    result = attempt().finish()
    present = store.head(KEY)
    assert present is not None
    assert (result.etag, result.bytes, result.key, result.items) == (present.etag, present.size, KEY, 3)
    assert RunResult.from_json(store.get(result_key("job"))) == result
    assert Decision.from_json(store.get(decision_key("job"))).run == "job"
    assert DatasetBinding.from_json(store.get(dataset_key("hls-data"))).bbox is None


def test_a_later_run_replaces_what_it_saw(store: Store, attempt: Make) -> None:
    """Equal or more items: the newer harvest takes the place."""
    attempt().finish()
    newer = attempt(job_id="newer", items=4).finish()
    assert getattr(store.head(KEY), "etag", None) == newer.etag
    assert Decision.from_json(store.get(decision_key("newer"))).replaces is not None


def test_the_second_of_two_runs_is_told_of_the_conflict(store: Store, attempt: Make) -> None:
    """Both began before either published: 67, the first one's file stays, and no result is written."""
    first, second = attempt(), attempt(job_id="second", items=4)
    published = first.finish()
    with pytest.raises(Conflict, match="was written by another run since this one began"):
        second.finish()
    assert getattr(store.head(KEY), "etag", None) == published.etag
    assert store.head(result_key("second")) is None
    assert Conflict.exit_code == 67


def test_a_partition_that_was_removed_meanwhile_is_not_brought_back(store: Store, attempt: Make) -> None:
    """What the run saw is not what is there: a conflict too."""
    attempt().finish()
    second = attempt(job_id="second")
    store.delete(KEY)
    with pytest.raises(Conflict):
        second.finish()
    assert store.head(KEY) is None


def test_fewer_items_are_refused(store: Store, attempt: Make) -> None:
    """66 with both counts, nothing decided, the old file kept; one more item or the operator's word lets it through."""
    before = attempt(items=5).finish()
    with pytest.raises(WouldShrink, match="has 5 items, but this harvest has only 4; it was kept"):
        attempt(job_id="smaller", items=4).finish()
    assert getattr(store.head(KEY), "etag", None) == before.etag
    assert store.head(decision_key("smaller")) is None
    assert WouldShrink.exit_code == 66
    attempt(job_id="wanted", items=4, allow_shrink=True).finish()
    attempt(job_id="equal", items=4).finish()


@pytest.mark.parametrize("content", [b"", b"no parquet at all", b"PAR1" + b"\xff" * 100 + b"\x60\x00\x00\x00PAR1"])
def test_a_file_that_cannot_be_read_has_nothing_to_lose(store: Store, attempt: Make, content: bytes) -> None:
    """An empty, a foreign and a corrupt file are replaced by whatever is whole."""
    store.put(KEY, content)
    attempt(items=0).finish()
    assert pq.read_metadata(pa.BufferReader(store.get(KEY))).num_rows == 0


@pytest.mark.parametrize("wish", [{"bbox": [0, 0, 1, 1]}, {"collections": [L30]}])
def test_a_prefix_that_is_bound_to_something_else(store: Store, attempt: Make, wish: dict[str, Any]) -> None:
    """64 before any harvest, with both sides named, and again at the end where the binding came meanwhile."""
    early = attempt(job_id="early", prefix="hls-data", **wish)
    attempt().finish()
    with pytest.raises(BadParameters, match=r"hls-data is bound to no box .* choose another prefix"):
        attempt(job_id="late", prefix="hls-data", **wish)
    with pytest.raises(BadParameters, match="choose another prefix"):
        early.finish()
    assert store.head(decision_key("early")) is None
    assert BadParameters.exit_code == 64


def test_a_prefix_that_is_bound_after_the_decision(store: Store, attempt: Make) -> None:
    """64 in the last moment: nothing is published into the other's dataset, and a retry ends before its harvest."""

    def bind(_number: int, name: str, key: str) -> None:
        if (name, key) == ("create", decision_key("job")):
            attempt(job_id="other", bbox=[0, 0, 1, 1], prefix="hls-data").finish()

    late = attempt(on=WatchedStore(store, after=bind))
    with pytest.raises(BadParameters, match=r"hls-data is bound to the box .* choose another prefix"):
        late.finish()
    assert store.head(result_key("job")) is None
    assert RunResult.from_json(store.get(result_key("other"))).etag == getattr(store.head(KEY), "etag", None)
    with pytest.raises(BadParameters, match="choose another prefix"):
        attempt()


def test_a_binding_that_cannot_be_read(store: Store, attempt: Make) -> None:
    """Nobody knows what the prefix is for, so nothing is mixed into it."""
    store.put(dataset_key("hls-data"), b'{"bbox": "here"}')
    with pytest.raises(BadParameters, match=r"_dataset\.json is not the document that it should be"):
        attempt()


@pytest.mark.parametrize("key", [decision_key("job"), result_key("job")])
def test_a_document_that_cannot_be_read(store: Store, attempt: Make, key: str) -> None:
    """The storage's fault, and told as such: a crash without a word would say nothing."""
    store.put(key, b"{")
    with pytest.raises(StorageError, match="is not the document that it should be"):
        attempt().finish()
    assert store.head(KEY) is None


def test_a_finished_job_is_not_done_again(store: Store, attempt: Make) -> None:
    """Another attempt gives the result that is there, and writes nothing."""
    result = attempt().finish()
    before = digests(store)
    assert attempt().finish() == result
    assert digests(store) == before


def test_a_cancelled_job(store: Store, attempt: Make) -> None:
    """76 with who and when, before the harvest and at its end, and nothing is left in the dataset."""
    begun = attempt()
    assert cancel(store)
    with pytest.raises(Cancelled, match="cancelled at 2024-03-01 12:00:00 UTC by someone"):
        attempt()
    with pytest.raises(Cancelled):
        begun.finish()
    assert [stat.key for stat in store.scan()] == [decision_key("job")]
    assert Cancelled.exit_code == 76


def test_a_doubled_job(store: Store, attempt: Make) -> None:
    """Of two runs of one job the first that decides publishes; the other ends with 76, early or late."""
    one, two = attempt(run="batch-1"), attempt(run="batch-2")
    result = two.finish()
    with pytest.raises(Cancelled, match="another run of this job publishes: batch-2"):
        one.finish()
    with pytest.raises(Cancelled):
        attempt(run="batch-3")
    assert getattr(store.head(KEY), "etag", None) == result.etag


def test_every_end_without_publishing_leaves_the_old_partition(store: Store, attempt: Make) -> None:
    """Whatever the reason."""
    attempt(items=5).finish()
    before = store.get(KEY)
    endings: list[tuple[type[RunError], dict[str, Any]]] = [
        (WouldShrink, {"job_id": "a", "items": 1}),
        (BadParameters, {"job_id": "b", "bbox": [0, 0, 1, 1], "prefix": "hls-data"}),
        (Cancelled, {"job_id": "c"}),
    ]
    cancel(store, "c")
    for fault, wishes in endings:
        with pytest.raises(fault):
            attempt(**wishes).finish()
    assert store.get(KEY) == before
