"""Who may publish: the rules of storage, with every rival, every crash and every cancel between any two steps."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from staged_days import digests, partition_file, provenance_of, run_params
from watched_store import Killed, WatchedStore

from storage import AlreadyExists, StorageError, Store, open_store
from worker.contract.collections import L30
from worker.contract.documents import DatasetBinding, Decision
from worker.contract.layout import dataset_key, decision_key, partition_key, result_key
from worker.contract.month import Month
from worker.contract.result import RunResult
from worker.errors import BadParameters, Cancelled, Conflict, RunError, WouldShrink
from worker.publish import Publisher

KEY = partition_key("hls-data", Month(2024, 1))
NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def store(archive: str) -> Store:
    return open_store(archive)


class Attempt:
    """A run without its harvest: what it does in the archive before and after."""

    def __init__(self, store: Any, folder: Path, *, run: str = "", items: int = 3, **params: Any) -> None:
        self.params = run_params(store.uri, **params)
        self.publisher = Publisher(store, self.params, run or self.params.job_id)
        self.provenance = provenance_of(self.params, items=items)
        self.path = partition_file(folder / f"{self.params.job_id}-{items}.parquet", self.provenance)
        self.begun = self.publisher.begin()
        self.found = self.publisher.finished(self.begun)

    def finish(self) -> RunResult:
        if self.found is not None:
            return self.found
        self.publisher.check(self.begun, self.provenance.items)
        return self.publisher.publish(self.begun, self.path, self.provenance, row_groups=1, now=NOW)


Make = Callable[..., Attempt]


@pytest.fixture
def attempt(store: Store, tmp_path: Path) -> Make:
    return lambda **wishes: Attempt(wishes.pop("on", store), tmp_path, **wishes)


def _cancel(store: Store, job_id: str = "job") -> bool:
    """What the service does; false where it came too late."""
    try:
        store.create(decision_key(job_id), Decision(action="cancel", run="someone", at=NOW).to_json())
    except AlreadyExists:
        return False
    return True


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
    assert _cancel(store)
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


class _Moment:
    """Does something after the call of a given number, over all stores that it watches."""

    def __init__(self, store: Store, number: int, act: Callable[[], None]) -> None:
        self._store, self._number, self._act = store, number, act
        self.calls = 0
        self.etags = [_etag(store)]

    def pass_by(self, *_: object) -> None:
        self.calls += 1
        if (etag := _etag(self._store)) != self.etags[-1]:
            self.etags.append(etag)
        if self.calls == self._number:
            self._act()

    @property
    def came(self) -> bool:
        return self.calls >= self._number


def _etag(store: Store) -> str | None:
    present = store.head(KEY)
    return present.etag if present else None


def _empty(store: Store) -> None:
    for key in digests(store):
        store.delete(key)


def _die() -> None:
    raise Killed


@pytest.mark.parametrize("replacing", [False, True], ids=["new", "replacing"])
def test_a_run_that_is_killed_at_any_moment_publishes_once(store: Store, attempt: Make, replacing: bool) -> None:
    """After every call to the archive: the next attempt comes to the result, and readers saw one change."""
    for number in itertools.count(1):
        _empty(store)
        if replacing:
            attempt(job_id="old", items=2).finish()
        moment = _Moment(store, number, _die)
        watched = WatchedStore(store, after=moment.pass_by)
        try:
            result = attempt(on=watched).finish()
        except Killed:
            result = attempt(on=watched).finish()
        assert moment.etags[1:] == [result.etag], f"killed after call {number} of {watched.calls}"
        assert RunResult.from_json(store.get(result_key("job"))) == result
        assert (result.items, result.job_id, result.row_groups) == (3, "job", 1)
        assert result.bytes == getattr(store.head(KEY), "size", None)
        if not moment.came:
            assert number > 8, "a run makes so many calls at least"
            break


def test_a_cancel_at_any_moment_holds_or_comes_too_late(store: Store, attempt: Make) -> None:
    """Between any two calls to the archive: cancelled and nothing published, or published and too late."""
    outcomes = []
    for number in itertools.count(1):
        _empty(store)
        in_time: list[bool] = []
        moment = _Moment(store, number, lambda told=in_time: told.append(_cancel(store)))  # type: ignore[misc]
        try:
            attempt(on=WatchedStore(store, before=moment.pass_by)).finish()
        except Cancelled:
            assert in_time == [True]
            assert [stat.key for stat in store.scan()] == [decision_key("job")], "nothing was published or bound"
        else:
            assert in_time != [True]
            assert store.head(KEY) is not None
            assert store.head(result_key("job")) is not None
        if not moment.came:
            break
        outcomes += in_time
    first_late = outcomes.index(False)
    assert outcomes == [True] * first_late + [False] * (len(outcomes) - first_late)
    assert first_late > 0


def test_a_write_that_arrives_after_its_run_was_killed(store: Store, attempt: Make) -> None:
    """The next attempt finds its predecessor's file where it wanted to put its own, and takes it for what it is."""
    late, successor = attempt(), attempt()
    published = late.finish()
    store.delete(result_key("job"))
    result = successor.finish()
    assert result.etag == published.etag == getattr(store.head(KEY), "etag", None)
    assert store.head(result_key("job")) is not None


def test_a_job_whose_file_was_replaced_before_it_could_say_so(store: Store, attempt: Make) -> None:
    """It decided, was killed, and another job published: it does not put its older harvest over the newer one."""

    def kill(_number: int, name: str, _key: str) -> None:
        if name == "publish":
            raise Killed

    for after in (False, True):
        job_id = f"killed-{after}"
        watched = WatchedStore(store, **{"after" if after else "before": kill})
        with pytest.raises(Killed):
            attempt(on=watched, job_id=job_id).finish()
        newer = attempt(job_id=f"newer-{after}").finish()
        with pytest.raises(Conflict, match="since this one decided to publish"):
            attempt(job_id=job_id).finish()
        assert getattr(store.head(KEY), "etag", None) == newer.etag


def test_every_end_without_publishing_leaves_the_old_partition(store: Store, attempt: Make) -> None:
    """Whatever the reason."""
    attempt(items=5).finish()
    before = store.get(KEY)
    endings: list[tuple[type[RunError], dict[str, Any]]] = [
        (WouldShrink, {"job_id": "a", "items": 1}),
        (BadParameters, {"job_id": "b", "bbox": [0, 0, 1, 1], "prefix": "hls-data"}),
        (Cancelled, {"job_id": "c"}),
    ]
    _cancel(store, "c")
    for fault, wishes in endings:
        with pytest.raises(fault):
            attempt(**wishes).finish()
    assert store.get(KEY) == before
