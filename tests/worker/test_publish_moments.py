"""A publication that is killed, cancelled or overtaken between any two of its steps."""

import itertools
from collections.abc import Callable

import pytest
from staged_days import digests
from watched_store import Killed, WatchedStore

from storage import Store
from tests.worker.publishing import KEY, Make, cancel
from worker.contract.layout import decision_key, result_key
from worker.contract.result import RunResult
from worker.errors import Cancelled, Conflict


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
        moment = _Moment(store, number, lambda told=in_time: told.append(cancel(store)))  # type: ignore[misc]  # a default that binds the loop's variable
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
