"""AWS Batch played by botocore's Stubber."""

from typing import Any

import boto3
from botocore.stub import Stubber

from api.executors.batch import BatchExecutor
from worker.contract import compute

NAME = compute.job_name("202401", "a")
PINNED = "arn:aws:batch:us-east-1:123456789012:job-definition/worker:7"


class Stubbed:
    """An executor whose client answers as told, in order; anything else that is sent fails the test."""

    def __init__(self, definition: str = PINNED) -> None:
        options: dict[str, Any] = {
            "region_name": "us-east-1",
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
        }
        client = boto3.client("batch", **options)
        self.batch = Stubber(client)
        logs = boto3.client("logs", **options)
        self.executor = BatchExecutor(client, client, logs, queue="queue", definition=definition)
        self.batch.activate()

    def lists(self, *pages: list[dict[str, Any]]) -> None:
        token: str | None = None
        for number, page in enumerate(pages, start=1):
            asked: dict[str, Any] = {"jobQueue": "queue", "filters": [{"name": "JOB_NAME", "values": [NAME]}]}
            if token:
                asked["nextToken"] = token
            token = f"page-{number + 1}" if number < len(pages) else None
            self.batch.add_response(
                "list_jobs", {"jobSummaryList": page, **({"nextToken": token} if token else {})}, asked
            )

    def describes(self, refs: list[str], *jobs: dict[str, Any]) -> None:
        self.batch.add_response("describe_jobs", {"jobs": list(jobs)}, {"jobs": refs})
