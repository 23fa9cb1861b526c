"""The Batch executor against botocore's Stubber: what moto cannot do, and exactly what is sent."""

import json
from collections.abc import Iterator
from typing import Any

import botocore.exceptions as faults
import pytest
from botocore.parsers import ResponseParserError

from api.executors.base import (
    ExecutorError,
    ExecutorUnavailable,
    RunState,
    SubmissionRefused,
    SubmissionUncertain,
    Throttled,
)
from api.executors.batch import NotOurs
from api.executors.batch_faults import submission_fault
from tests.api.executors.conftest import params_of
from tests.api.executors.stubbed import NAME, PINNED, Stubbed
from worker.contract import compute
from worker.contract.job import RunParams


@pytest.fixture
def stubbed() -> Iterator[Stubbed]:
    stubbed = Stubbed()
    yield stubbed
    stubbed.batch.assert_no_pending_responses()


def summary(ref: str, name: str = NAME, created: int = 1) -> dict[str, Any]:
    return {"jobId": ref, "jobName": name, "createdAt": created, "status": "RUNNABLE"}


def detail(ref: str, status: str = "RUNNING", **more: Any) -> dict[str, Any]:
    tags = {compute.JOB_TAG: "a"}
    return {
        "jobId": ref,
        "jobName": NAME,
        "jobQueue": "queue",
        "status": status,
        "startedAt": 1,
        "jobDefinition": PINNED,
        "tags": tags,
        **more,
    }


def test_a_submission(stubbed: Stubbed) -> None:
    """Name, queue, pinned definition, parameters and tag are as the contract has them; the id is Batch's."""
    params = params_of("a")
    expected = {
        "jobName": NAME,
        "jobQueue": "queue",
        "jobDefinition": PINNED,
        "parameters": params.to_parameters(),
        "tags": {compute.JOB_TAG: "a"},
    }
    stubbed.batch.add_response("submit_job", {"jobName": NAME, "jobId": "id-1"}, expected)
    submission = stubbed.executor.submit(params)
    assert (submission.ref, submission.definition) == ("id-1", PINNED)


def test_the_largest_submission_is_taken() -> None:
    """The longest values that the contract lets through stay within Batch's limits of name and size."""
    params = RunParams(
        year_month="202401",
        bbox=(-123.12345678901234, -12.123456789012345, 123.12345678901234, 12.123456789012345),
        prefix="x" * 128,
        job_id="j" * 64,
        stage_id="s" * 64,
        destination=f"s3://{'b' * 63}",
    )
    assert len(compute.job_name(params.year_month, params.job_id)) <= 128
    assert len(json.dumps(params.to_parameters())) < 30 * 1024 / 2


def test_a_destination_that_is_no_bucket_is_refused(stubbed: Stubbed) -> None:
    """Batch cannot write to a directory of this machine: refused before anything is sent."""
    with pytest.raises(SubmissionRefused, match="buckets"):
        stubbed.executor.submit(params_of("a", destination="file:///data"))


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("TooManyRequestsException", 429, Throttled),
        ("ThrottlingException", 400, Throttled),
        ("429", 429, Throttled),
        ("ServerException", 500, SubmissionUncertain),
        ("502", 502, SubmissionUncertain),
        ("503", 503, SubmissionUncertain),
        ("RequestTimeout", 400, SubmissionUncertain),
        ("ClientException", 400, SubmissionRefused),
        ("AccessDeniedException", 403, ExecutorUnavailable),
        ("UnrecognizedClientException", 400, ExecutorUnavailable),
        ("ExpiredTokenException", 400, ExecutorUnavailable),
        ("404", 404, ExecutorUnavailable),
    ],
)
def test_answers_to_a_submission(stubbed: Stubbed, code: str, status: int, expected: type[ExecutorError]) -> None:
    """Each answer is what it says of the submission: not taken, perhaps taken, never taken, or not now."""
    stubbed.batch.add_client_error("submit_job", code, "as the service says", http_status_code=status)
    with pytest.raises(ExecutorError, match=code) as raised:
        stubbed.executor.submit(params_of("a"))
    assert type(raised.value) is expected


@pytest.mark.parametrize(
    "message",
    [
        "Error executing request, Exception : Job queue HlsQueue does not exist",
        "JobDefinition arn:aws:batch:us-east-1:123456789012:job-definition/worker:7 is not ACTIVE",
    ],
)
def test_a_fault_of_the_deployment_fails_no_job(stubbed: Stubbed, message: str) -> None:
    """A queue or definition that is gone is mended by a deploy, so the job waits for it."""
    stubbed.batch.add_client_error("submit_job", "ClientException", message)
    with pytest.raises(ExecutorUnavailable, match=message[-20:]):
        stubbed.executor.submit(params_of("a"))


ENDPOINT = {"endpoint_url": "https://batch"}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (faults.ReadTimeoutError(**ENDPOINT), SubmissionUncertain),
        (faults.ConnectionClosedError(**ENDPOINT), SubmissionUncertain),
        (faults.HTTPClientError(error="reset"), SubmissionUncertain),
        (faults.SSLError(error=OSError("eof"), **ENDPOINT), SubmissionUncertain),
        (ResponseParserError("a proxy's page"), SubmissionUncertain),
        (faults.EndpointConnectionError(**ENDPOINT), ExecutorUnavailable),
        (faults.ConnectTimeoutError(**ENDPOINT), ExecutorUnavailable),
        (faults.ProxyConnectionError(proxy_url="http://proxy"), ExecutorUnavailable),
        (faults.NoCredentialsError(), ExecutorUnavailable),
        (faults.ParamValidationError(report="too long"), SubmissionRefused),
    ],
)
def test_faults_of_the_connection(error: Exception, expected: type[ExecutorError]) -> None:
    """What broke before the request left sent nothing; what broke later may have."""
    assert type(submission_fault(error)) is expected


def test_find_follows_every_page_and_compares_exactly(stubbed: Stubbed) -> None:
    """Runs of this very name come from every page, oldest first, with what DescribeJobs says of them."""
    stubbed.lists(
        [summary("id-3", created=3), summary("x", name=NAME.upper())], [], [summary("id-1"), summary("id-2", created=2)]
    )
    stubbed.describes(["id-1", "id-2", "id-3"], detail("id-3"), detail("id-1", "SUCCEEDED"))
    found = stubbed.executor.find(NAME)
    assert [(status.ref, status.native_status) for status in found] == [
        ("id-1", "SUCCEEDED"),
        ("id-2", "RUNNABLE"),  # DescribeJobs did not know it, so the list's own word stands
        ("id-3", "RUNNING"),
    ]


def test_poll_asks_in_hundreds(stubbed: Stubbed) -> None:
    """250 jobs are three calls, and a job that Batch has forgotten is absent."""
    refs = [f"id-{i}" for i in range(250)]
    for start in (0, 100, 200):
        chunk = refs[start : start + 100]
        stubbed.describes(chunk, *(detail(ref) for ref in chunk[1:]))
    assert set(stubbed.executor.poll(refs)) == set(refs) - {"id-0", "id-100", "id-200"}


@pytest.mark.parametrize(("code", "status"), [("TooManyRequestsException", 429), ("ServerException", 500)])
def test_a_poll_that_fails(stubbed: Stubbed, code: str, status: int) -> None:
    """A read that is throttled or fails says that nothing is known now, with the service's word."""
    stubbed.batch.add_client_error("describe_jobs", code, "later", http_status_code=status)
    with pytest.raises(ExecutorUnavailable, match=f"describe the jobs: {code}: later"):
        stubbed.executor.poll(["id-1"])


def test_states_may_come_twice_and_late(stubbed: Stubbed) -> None:
    """Each poll gives what Batch says then, whatever it said before."""
    for status in ("RUNNING", "RUNNABLE", "RUNNABLE", "RUNNING"):
        stubbed.describes(["id-1"], detail("id-1", status))
    states = [stubbed.executor.poll(["id-1"])["id-1"].state for _ in range(4)]
    assert states == [RunState.RUNNING, RunState.SUBMITTED, RunState.SUBMITTED, RunState.RUNNING]


@pytest.mark.parametrize("status", ["RUNNABLE", "STARTING", "RUNNING"])
def test_terminate_is_terminate_job(stubbed: Stubbed, status: str) -> None:
    """Whatever its state, a job is stopped by TerminateJob, with a reason that Batch takes."""
    stubbed.describes(["id-1"], detail("id-1", status))
    stubbed.batch.add_response("terminate_job", {}, {"jobId": "id-1", "reason": "r" * 1024})
    stubbed.executor.terminate("id-1", "r" * 3000)


def test_jobs_of_others_are_left_alone(stubbed: Stubbed) -> None:
    """A job without our tag is not terminated, and the caller is told so."""
    stubbed.describes(["id-1"], detail("id-1", tags={"owner": "somebody"}))
    with pytest.raises(NotOurs, match="id-1"):
        stubbed.executor.terminate("id-1", "cancelled")


def test_a_name_of_somebody_else_is_not_found(stubbed: Stubbed) -> None:
    """A job of the same name without our tag is no run of ours, to be followed or stopped; one that is only listed,
    and not described yet, may be."""
    summaries = [
        {"jobId": ref, "jobName": NAME, "status": "RUNNING", "createdAt": 1} for ref in ("id-1", "id-2", "id-3")
    ]
    stubbed.lists(summaries)
    theirs = detail("id-2")
    del theirs["tags"]
    stubbed.describes(["id-1", "id-2", "id-3"], detail("id-1"), theirs)
    assert [run.ref for run in stubbed.executor.find(NAME)] == ["id-1", "id-3"]


@pytest.mark.parametrize("denied", ["describe_jobs", "list_jobs"])
def test_runs_that_cannot_be_followed_are_no_health(stubbed: Stubbed, denied: str) -> None:
    """The queue and the definition answer, but what becomes of jobs may not be asked: the check says so."""
    queue = {"jobQueueName": "queue", "jobQueueArn": "arn:queue", "priority": 1, "computeEnvironmentOrder": []}
    stubbed.batch.add_response("describe_job_queues", {"jobQueues": [{**queue, "state": "ENABLED", "status": "VALID"}]})
    if denied == "list_jobs":
        stubbed.batch.add_response("describe_jobs", {"jobs": []})
    stubbed.batch.add_client_error(denied, "AccessDeniedException", "not authorized", http_status_code=403)
    with pytest.raises(ExecutorUnavailable, match="not authorized"):
        stubbed.executor.check()


def test_a_queue_that_takes_nothing(stubbed: Stubbed) -> None:
    """The check says which queue is missing, disabled or invalid, and why."""
    queue = {"jobQueueName": "queue", "jobQueueArn": "arn:queue", "priority": 1, "computeEnvironmentOrder": []}
    stubbed.batch.add_response("describe_job_queues", {"jobQueues": []})
    with pytest.raises(ExecutorUnavailable, match="no job queue queue"):
        stubbed.executor.check()
    answer = {"jobQueues": [{**queue, "state": "DISABLED", "status": "VALID"}]}
    stubbed.batch.add_response("describe_job_queues", answer)
    with pytest.raises(ExecutorUnavailable, match="DISABLED"):
        stubbed.executor.check()
    answer = {"jobQueues": [{**queue, "state": "ENABLED", "status": "INVALID", "statusReason": "no machines"}]}
    stubbed.batch.add_response("describe_job_queues", answer)
    with pytest.raises(ExecutorUnavailable, match="no machines"):
        stubbed.executor.check()
