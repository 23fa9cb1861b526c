"""The rules of jobs, on both databases."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, select

from api import db
from api.jobs import service, store
from api.jobs.errors import JobEnded, JobNotFound, KeyReused, NotRetryable, PartitionBusy, PrefixBound
from api.jobs.models import Job
from api.jobs.states import JobState
from worker.contract.documents import DatasetBinding
from worker.contract.job import JobParams

Sessions = Callable[[], AbstractContextManager[Session]]

BOX = (-124.7, 32.5, -114.1, 42.0)


def params(month: str = "202401", **values: Any) -> JobParams:
    return JobParams.model_validate({"yearMonth": month, **values})


def unbound(_prefix: str) -> None:
    return None


def put(transaction: Sessions, wanted: JobParams, **more: Any) -> tuple[Job, bool]:
    with transaction() as session:
        return service.put_job(session, wanted, actor="test", **{"binding_of": unbound, **more})


def move(transaction: Sessions, job: Job, *states: JobState) -> Job:
    with transaction() as session:
        row = service.get_job(session, job.id)
        for state in states:
            assert store.move(session, row, state, actor="test", reason="moved")
        return row


def test_an_equal_active_job_is_returned(transaction: Sessions) -> None:
    """Asking twice makes one job, however the month is written; once it has ended, asking makes another."""
    first, deduplicated = put(transaction, params("202401"))
    assert not deduplicated
    again, deduplicated = put(transaction, params("2024-01"))
    assert (again.id, deduplicated) == (first.id, True)
    move(transaction, first, JobState.SUBMITTED, JobState.RUNNING)
    assert put(transaction, params("202401"))[1]
    move(transaction, first, JobState.SUCCEEDED)
    other, deduplicated = put(transaction, params("202401"))
    assert other.id != first.id
    assert not deduplicated


def test_a_different_active_job_is_a_conflict(transaction: Sessions) -> None:
    """One partition has one job at a time: another with other parameters is refused, and told which one is in the way."""
    first, _ = put(transaction, params())
    with pytest.raises(PartitionBusy, match=f"Job {first.id} is pending for 202401 of hls-data"):
        put(transaction, params(allowShrink=True))


def test_a_job_that_is_being_cancelled_is_in_the_way(transaction: Sessions) -> None:
    """An equal request is not answered with a job that is about to end as cancelled."""
    first, _ = put(transaction, params())
    move(transaction, first, JobState.SUBMITTED)
    with transaction() as session:
        service.cancel_job(session, first.id, actor="test")
    with pytest.raises(PartitionBusy, match="is being cancelled"):
        put(transaction, params())


def test_a_bound_prefix_refuses_another_box(transaction: Sessions) -> None:
    """The archive's own binding decides, and the message names what the prefix holds and what to do."""

    def binding(prefix: str) -> DatasetBinding:
        assert prefix == "hls-data"
        return DatasetBinding(collections=params().collections)

    put(transaction, params(), binding_of=binding)
    wanted = params("202402", bbox=BOX, prefix="hls-data")
    with pytest.raises(PrefixBound, match=r"hls-data is bound to no box.*name another prefix, such as hls-data-bbox-"):
        put(transaction, wanted, binding_of=binding)


def test_an_active_job_reserves_an_unbound_prefix(transaction: Sessions) -> None:
    """Two months of one prefix must agree on the box even before the first partition is there."""
    first, _ = put(transaction, params("202401", bbox=BOX, prefix="mine"))
    with pytest.raises(PrefixBound, match=f"reserved by the active job {first.id}"):
        put(transaction, params("202402", prefix="mine"))
    put(transaction, params("202402", bbox=BOX, prefix="mine"))
    with transaction() as session:
        for job in session.exec(select(Job)).all():
            service.cancel_job(session, job.id, actor="test")
    put(transaction, params("202402", prefix="mine"))


def test_requests_that_meet_make_one_job(transaction: Sessions) -> None:
    """Eight equal requests at the same moment: one job, and seven are told of it."""
    barrier = Barrier(8)

    def ask(_: int) -> tuple[str, bool]:
        barrier.wait()
        job, deduplicated = put(transaction, params())
        return job.id, deduplicated

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(8)))
    assert len({job_id for job_id, _ in answers}) == 1
    assert sorted(deduplicated for _, deduplicated in answers) == [False] + [True] * 7


def test_requests_that_meet_reserve_a_prefix_for_one_box(transaction: Sessions) -> None:
    """Different months and boxes for one unbound prefix at the same moment: one box wins, the others conflict."""
    barrier = Barrier(6)

    def ask(number: int) -> bool:
        barrier.wait()
        try:
            put(transaction, params(f"20240{number + 1}", bbox=(number, 0, 10, 10), prefix="contested"))
        except PrefixBound:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(ask, range(6))) == 1


@pytest.mark.parametrize("states", [(), (JobState.SUBMITTED,), (JobState.SUBMITTED, JobState.RUNNING)])
def test_the_database_itself_keeps_a_partition_to_one_active_job(
    transaction: Sessions, states: tuple[JobState, ...]
) -> None:
    """Even code that asks nobody cannot insert a second active job, in whichever state the first one is."""
    job, _ = put(transaction, params())
    move(transaction, job, *states)
    second = Job(
        id="0" * 16,
        prefix=job.prefix,
        year_month=job.year_month,
        params=job.params,
        stage_id="x",
        created_at=db.now(),
    )
    with pytest.raises(IntegrityError), transaction() as session:
        store.add(session, second, actor="test", reason="forced")


def test_cancelling_what_was_never_submitted_ends_it(transaction: Sessions) -> None:
    """A pending job is cancelled at once; cancelling it again changes nothing; events say who did it."""
    job, _ = put(transaction, params())
    for _ in range(2):
        with transaction() as session:
            assert service.cancel_job(session, job.id, actor="ada").state is JobState.CANCELLED
    with transaction() as session:
        told = [(event.from_state, event.to_state, event.actor) for event in store.events(session, job.id)]
    assert told == [(None, JobState.PENDING, "test"), (JobState.PENDING, JobState.CANCELLED, "ada")]


def test_cancelling_what_may_run_is_a_wish(transaction: Sessions) -> None:
    """A job that was submitted, or may have been, stays active until the reconciler has settled the cancel."""
    job, _ = put(transaction, params())
    with transaction() as session:
        assert store.change(session, service.get_job(session, job.id), submitting_since=db.now())
    with transaction() as session:
        wished = service.cancel_job(session, job.id, actor="ada")
    assert wished.state is JobState.PENDING
    assert wished.cancel_requested_by == "ada"
    with transaction() as session:
        again = service.cancel_job(session, job.id, actor="bob")
    assert again.cancel_requested_by == "ada"
    with transaction() as session:
        assert [event.reason for event in store.events(session, job.id)] == ["requested", "asked to cancel"]


def test_an_ended_job_cannot_be_cancelled(transaction: Sessions) -> None:
    """What succeeded or failed stays so, and the message says that there is nothing to cancel."""
    job, _ = put(transaction, params())
    move(transaction, job, JobState.SUBMITTED, JobState.FAILED)
    with pytest.raises(JobEnded, match="has failed already"), transaction() as session:
        service.cancel_job(session, job.id, actor="test")


def test_a_retry_shares_the_staged_days(transaction: Sessions) -> None:
    """A retry is a new job with the stage id of the first, over several retries; asking twice makes one."""
    first, _ = put(transaction, params(allowShrink=True))
    last = first
    for _ in range(2):
        move(transaction, last, JobState.SUBMITTED, JobState.FAILED)
        with transaction() as session:
            retry, deduplicated = service.retry_job(session, last.id, actor="test", binding_of=unbound)
        assert (retry.retry_of, retry.stage_id, retry.params, deduplicated) == (last.id, first.id, first.params, False)
        with transaction() as session:
            assert service.retry_job(session, last.id, actor="test", binding_of=unbound)[0].id == retry.id
        last = retry


@pytest.mark.parametrize("states", [(), (JobState.SUBMITTED,), (JobState.SUBMITTED, JobState.SUCCEEDED)])
def test_only_failed_and_cancelled_jobs_are_retried(transaction: Sessions, states: tuple[JobState, ...]) -> None:
    """An active or a succeeded job is not retried, and the message says what to do instead."""
    job, _ = put(transaction, params())
    move(transaction, job, *states)
    with pytest.raises(NotRetryable, match="submit a new job"), transaction() as session:
        service.retry_job(session, job.id, actor="test", binding_of=unbound)


@pytest.mark.parametrize("job_id", ["", "nope", "0123456789abcdef", "a\x00b", "x" * 1000])
def test_what_is_no_job_is_not_found(transaction: Sessions, job_id: str) -> None:
    """Whatever stands in place of an id, also what PostgreSQL refuses to be asked for."""
    with pytest.raises(JobNotFound), transaction() as session:
        service.get_job(session, job_id)


def test_a_change_that_comes_late_does_not_happen(transaction: Sessions) -> None:
    """Two that read the same row: the first one's change stands, the second one's does not, and leaves no event."""
    job, _ = put(transaction, params())
    with transaction() as session:
        stale = service.get_job(session, job.id)
    move(transaction, job, JobState.SUBMITTED)
    with transaction() as session:
        held = session.merge(stale, load=False)
        assert not store.move(session, held, JobState.CANCELLED, actor="late", reason="late")
    with transaction() as session:
        assert service.get_job(session, job.id).state is JobState.SUBMITTED
        assert [event.actor for event in store.events(session, job.id)] == ["test", "test"]


@pytest.mark.parametrize("end", [JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED])
def test_ends_are_final(transaction: Sessions, end: JobState) -> None:
    """No state follows an end."""
    job, _ = put(transaction, params())
    move(transaction, job, JobState.SUBMITTED, end)
    for state in JobState:
        with pytest.raises(ValueError, match="does not become"), transaction() as session:
            store.move(session, service.get_job(session, job.id), state, actor="test", reason="moved")


def test_a_key_is_for_one_request(transaction: Sessions) -> None:
    """The kept answer comes back for the same request, and another request with the key is refused."""
    with transaction() as session:
        assert service.answered(session, "ada", "k", params()) is None
        service.keep_answer(session, "ada", "k", params(), 202, {"id": "x"})
    with transaction() as session:
        assert service.answered(session, "bob", "k", params("202402")) is None
        kept = service.answered(session, "ada", "k", params("2024-01"))
        assert kept is not None
        assert (kept.status_code, kept.answer) == (202, '{"id": "x"}')
    with pytest.raises(KeyReused), transaction() as session:
        service.answered(session, "ada", "k", params("202402"))


def test_old_answers_are_forgotten(transaction: Sessions) -> None:
    """Kept answers do not pile up."""
    with transaction() as session:
        service.keep_answer(session, "ada", "k", params(), 202, {})
    with transaction() as session:
        store.forget_answers(session, older_than=db.now() - timedelta(days=1))
        assert service.answered(session, "ada", "k", params()) is not None
        store.forget_answers(session, older_than=db.now() + timedelta(seconds=1))
        session.expunge_all()
        assert service.answered(session, "ada", "k", params()) is None
