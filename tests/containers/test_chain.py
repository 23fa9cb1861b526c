"""The real chain: both images, Batch that runs containers, PostgreSQL and S3."""

import json
import re
import shlex
import shutil
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from months import finished

from tests.containers.conftest import ITEMS, Chain, Engine, until
from worker.contract import compute

BATCH = (Path(__file__).parents[2] / "docs/batch.md").read_text()
COMMANDS = re.findall(r"^aws batch submit-job (?:.*\\\n)*.*$", BATCH, re.MULTILINE)


def parameters_of(command: str) -> dict[str, str]:
    """The parameters of a command of docs/batch.md, read by other means than the AWS command line's."""
    words = shlex.split(command)
    pairs = re.findall(r'(\w+)=("[^"]*"|[^,]*)', words[words.index("--parameters") + 1])
    return {name: value.strip('"') for name, value in pairs}


def submitted(command: str, environment: dict[str, str]) -> str:
    """Batch's id of a job that is submitted by the AWS command line, or by boto3 where there is none."""
    if shutil.which("aws"):
        path = {"PATH": f"{Path(str(shutil.which('aws'))).parent}:/usr/bin:/bin"}
        done = subprocess.run(["bash", "-c", command], env=environment | path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return str(json.loads(done.stdout)["jobId"])
    words = shlex.split(command)
    name, queue, definition = (words[words.index(f"--job-{part}") + 1] for part in ("name", "queue", "definition"))
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in environment.items():
            patch.setenv(variable, value)
        batch = boto3.Session().client("batch")
        job = batch.submit_job(
            jobName=name, jobQueue=queue, jobDefinition=definition, parameters=parameters_of(command)
        )
        batch.close()
    return job["jobId"]


def attributes(engine: Engine, ref: str) -> dict[str, Any] | None:
    """What the engine was told of the container of a job of Batch, once there is one."""
    for container in engine.client.containers.list(filters={"name": ref}):
        return dict(container.attrs)
    return None


def test_a_month_over_http(chain: Chain, engine: Engine) -> None:
    """POST /jobs to one container, the reconciler in another submits, Batch runs the worker's image as the template's job
    definition says (2 vCPU, 4 GiB, its user, an init process, a read-only root, a volume to write on, its log group),
    the partition lands in S3, GET /partitions describes it."""
    job: dict[str, Any] = {**chain.client.submit("202312")}
    assert job["status"] == "pending"
    ref = until(lambda: chain.client.job(job["id"])["native"]["ref"])
    told = until(partial(attributes, engine, ref))
    host = told["HostConfig"]
    assert (host["Memory"], host["NanoCpus"]) == (compute.MEMORY_MIB * 2**20, compute.VCPU * 10**9)
    assert host["ReadonlyRootfs"]
    assert host["Init"]
    assert told["Config"]["User"] == compute.USER
    assert [(each["Type"], each["Destination"]) for each in told["Mounts"]] == [("volume", compute.SCRATCH)]
    job = finished(chain.client, job["id"])
    assert job["status"] == "succeeded", (job["failure"], job["logTail"])
    assert job["native"]["definition"].endswith(f"{compute.JOB_DEFINITION}:1")
    assert any("the partition is published" in line for line in job["logTail"]), "read from the definition's log group"
    partition = chain.client.partition("202312", "hls-data")
    assert (partition["state"], partition["items"], partition["complete"]) == ("ready", ITEMS, True)
    assert partition["sourceJob"] == job["id"]
    assert partition["path"] == f"s3://{chain.bucket}/hls-data/year=2023/month=12/data.parquet"
    listed = chain.http.get("/partitions").json()["partitions"]
    assert ("202312", ITEMS) in [(row["yearMonth"], row["items"]) for row in listed]


@pytest.mark.parametrize("command", COMMANDS, ids=["world", "box"])
def test_straight_to_the_queue(chain: Chain, command: str) -> None:
    """The commands of docs/batch.md, word for word but for the bucket, are run by the AWS command line; the partition shows up
    in the catalogue by itself."""
    wanted = parameters_of(command)
    submitted(command.replace("BUCKET", chain.bucket), chain.environment)
    partition = until(partial(chain.partition, wanted["yearMonth"], wanted["s3Prefix"]))
    search = {"datetime": "2024-01-01T00:00:00Z/2024-01-31T23:59:59.999Z", "limit": "1"}
    if "boundingBox" in wanted:
        search["bbox"] = wanted["boundingBox"]
    matched = httpx.get(f"{chain.source.url}/search", params=search).json()["context"]["matched"]
    assert (partition["state"], partition["items"]) == ("ready", matched)
    assert (matched < ITEMS) == ("boundingBox" in wanted)


def test_a_job_is_cancelled(chain: Chain, engine: Engine) -> None:
    """The container of a job that is cancelled is stopped, and nothing is published."""
    chain.source.faults.replace(["503:on=search"])
    job: dict[str, Any] = {**chain.client.submit("202311")}
    ref = str(until(lambda: (now := chain.client.job(job["id"]))["status"] == "running" and now["native"]["ref"]))
    until(partial(attributes, engine, ref))
    assert chain.http.post(f"/jobs/{job['id']}/cancel").status_code == 202
    job = finished(chain.client, job["id"])
    chain.source.faults.replace([])
    assert (job["status"], job["failure"]) == ("cancelled", None)
    until(lambda: attributes(engine, ref) is None)
    assert (chain.partition("202311", "hls-data") or {}).get("items") is None
