"""The template's job definition in Batch's API: what is submitted to it ends as a command line that the worker takes."""

import re
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

import boto3
import pytest
from cloud_template import register_definition

from api.executors.batch import BatchExecutor
from tests.infra.conftest import REPOSITORY, Variant
from worker.contract import compute
from worker.contract.bbox import BBox
from worker.contract.job import RunParams

if TYPE_CHECKING:
    from moto.batch.models import Job
    from moto.batch_simple.models import BatchSimpleBackend
    from mypy_boto3_batch import BatchClient

ACCOUNT, REGION = "123456789012", "us-east-1"
PAGES = ("README.md", "docs/batch.md", "docs/operations.md")
DOCUMENTS = "\n".join((REPOSITORY / name).read_text() for name in PAGES)
COMMANDS = re.findall(r"^aws batch submit-job (?:.*\\\n)*.*$", DOCUMENTS, re.MULTILINE)
CALIFORNIA = BBox(-124.7, 32.5, -114.1, 42.0)


@pytest.fixture
def batch(moto: str, default: Variant, monkeypatch: pytest.MonkeyPatch) -> "Iterator[BatchClient]":
    """Batch with the template's job definition and queue. Its jobs wait, for nothing runs them."""

    from moto.batch_simple.models import BatchSimpleBackend  # slow, and not for whoever only collects tests
    from moto.core.config import default_user_config

    def wait(backend: "BatchSimpleBackend", include_start_attempt: bool, job: "Job") -> None:
        backend.backend._jobs[job.job_id] = job

    monkeypatch.setitem(default_user_config, "batch", {"use_docker": False})
    monkeypatch.setattr(BatchSimpleBackend, "_mark_job_as_finished", wait)
    client, iam = boto3.client("batch"), boto3.client("iam")
    role = iam.create_role(RoleName="batch", AssumeRolePolicyDocument='{"Statement": []}')["Role"]["Arn"]
    machines = client.create_compute_environment(computeEnvironmentName="machines", type="UNMANAGED", serviceRole=role)
    queue = default.batch.only("AWS::Batch::JobQueue")
    client.create_job_queue(
        jobQueueName=queue["JobQueueName"],
        state=queue["State"],
        priority=queue["Priority"],
        computeEnvironmentOrder=[{"order": 1, "computeEnvironment": machines["computeEnvironmentArn"]}],
    )
    register_definition(default.batch.path)
    yield client
    client.close()
    iam.close()


def told(ref: str) -> RunParams:
    """What the job's container is told, as the worker reads it."""
    from moto.batch.models import batch_backends

    job = batch_backends[ACCOUNT][REGION]._jobs[ref]
    command = job._add_parameters_to_command(job._get_container_property("command", []))
    return RunParams.from_argv(command, fallback_job_id="from-batch")


def test_what_the_service_sends_arrives(batch: "BatchClient") -> None:
    """Every parameter of the service's, by way of the template's command, is what the worker works by."""
    params = RunParams(
        year_month="202401",
        bbox=CALIFORNIA,
        prefix="hls-california",
        job_id="abc123",
        stage_id="abc122",
        destination="s3://archive",
        parallel=True,
        allow_shrink=True,
    )
    executor = BatchExecutor.connect()
    submission = executor.submit(params)
    executor.close()
    assert told(submission.ref) == params


@pytest.mark.parametrize("command", COMMANDS, ids=range(len(COMMANDS)))
def test_what_operators_send_arrives(batch: "BatchClient", command: str) -> None:
    """The submissions of the documents, in the AWS command line's own reading of their parameters."""
    options = options_of(command)
    job = batch.submit_job(
        jobName="by-hand",
        jobQueue=options["--job-queue"],
        jobDefinition=options["--job-definition"],
        parameters=shorthand(options["--parameters"]),
    )
    params = told(job["jobId"])
    assert (params.year_month, params.destination, params.parallel) == ("202401", "s3://archive", True)
    assert params.bbox == (CALIFORNIA if "boundingBox" in command else None)
    assert (params.prefix != "hls-data") == ("boundingBox" in command)


def test_the_documents_submit_california() -> None:
    """With and without the box that has commas of its own, in the README as well."""
    assert len(COMMANDS) >= 6
    assert 'boundingBox="-124.7,32.5,-114.1,42.0",parallel=true' in (REPOSITORY / "README.md").read_text()
    assert any('boundingBox="-124.7,32.5,-114.1,42.0",parallel=true' in command for command in COMMANDS)


def options_of(command: str) -> dict[str, str]:
    """Of a command line, with what is known at deployment only filled in."""
    known = {"JobQueueName": compute.JOB_QUEUE, "JobDefinitionName": compute.JOB_DEFINITION, "BucketName": "archive"}
    filled = re.sub(r'"?\$\(output \w+ (\w+)\)"?', lambda match: known[match[1]], command)
    filled = re.sub(r"\bBUCKET\b", "archive", filled)
    words = shlex.split(filled.replace("\\\n", " "))
    return dict(zip(words[3::2], words[4::2], strict=True))


def shorthand(text: str) -> dict[str, str]:
    """NAME=VALUE between commas, where a value in double quotes may hold commas."""
    pairs = cast(list[tuple[str, str]], re.findall(r'(\w+)=("[^"]*"|[^,]*)', text))
    return {name: value.strip('"') for name, value in pairs}
