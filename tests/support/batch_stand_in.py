"""A stand-in for AWS Batch and CloudWatch Logs over HTTP, in the wire format that boto3 speaks, with faults on order.

It outlives the service that calls it, as Batch does.
"""

import json
import random
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import boto3
from batch_runs import Plan, Run
from botocore.config import Config

from worker.contract import compute

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_LIST_PAGE = 2
_DEFINITION = f"arn:aws:batch:us-east-1:123456789012:job-definition/{compute.JOB_DEFINITION}:1"


@dataclass(frozen=True)
class Faults:
    """Shares of the calls that go wrong, from 0 to 1; waits in seconds. A share above 0 strikes at its first chance too."""

    throttled: float = 0
    late: float = 0
    late_seconds: float = 0.5
    hung_up: float = 0
    """Submissions that are accepted and get no answer."""
    failed_after: float = 0
    """Submissions that are accepted and answered with a 500."""
    silent: float = 0
    """Submissions that are accepted and answered when the service waits no more."""
    silent_seconds: float = 35
    forgotten: float = 0
    """Jobs that one DescribeJobs leaves out."""
    list_lag: float = 0
    """Jobs show up in ListJobs up to so much later."""


class AwsFault(Exception):
    """An error as AWS answers it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class _HungUp(Exception):
    """The connection is closed without an answer."""


class BatchStandIn:
    """One queue, one job definition, and every job that was ever submitted."""

    def __init__(self, faults: Faults = Faults(), *, slots: int = 12, seed: int = 1) -> None:
        self.faults = faults
        self.runs: dict[str, Run] = {}
        self.plans: dict[str, Plan] = {}
        """By prefix of the dataset; other jobs get the default plan."""
        self.counts: Counter[str] = Counter()
        self.refusals: dict[str, AwsFault] = {}
        """By prefix: submissions that are refused."""
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._slots = ThreadPoolExecutor(slots)
        self._s3 = Config(max_pool_connections=slots)

    @contextmanager
    def serving(self) -> Iterator[str]:
        """The address, while it listens."""
        server = _Server(("127.0.0.1", 0), _handler(self))
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
            for run in self.runs.values():
                run.stop.set()
            self._slots.shutdown()
            if self.runs:
                self._client.close()

    @cached_property
    def _client(self) -> "S3Client":
        """Of all workers: each one's own would cost more than all that it does."""
        return boto3.Session().client("s3", config=self._s3)

    def answer(self, path: str, target: str, body: dict[str, Any]) -> dict[str, Any]:
        """Raises `AwsFault` and `_HungUp`."""
        operation = (target.partition(".")[2] or path.rpartition("/")[2]).lower()
        with self._lock:
            self.counts[operation] += 1
        if operation != "getlogevents":
            if self._strikes("late"):
                time.sleep(self.faults.late_seconds)
            if self._strikes("throttled"):
                raise AwsFault(429, "TooManyRequestsException", "Too Many Requests")
        reply: dict[str, Any] = getattr(self, operation)(body)
        return reply

    def submitjob(self, body: dict[str, Any]) -> dict[str, Any]:
        prefix = body["parameters"]["s3Prefix"]
        if (refusal := self.refusals.get(prefix)) is not None:
            raise refusal
        with self._lock:
            run = Run(
                ref=str(uuid.uuid4()),
                name=body["jobName"],
                definition=body["jobDefinition"],
                parameters=body["parameters"],
                tags=body["tags"],
                plan=self.plans.get(prefix, Plan()),
                client=self._client,
                listed_from=time.monotonic() + self._random.uniform(0, self.faults.list_lag),
            )
            self.runs[run.ref] = run
        if run.plan.waits_because is None:
            self._slots.submit(run.carry_out)
        if self._strikes("late"):
            time.sleep(self.faults.late_seconds)
        if self._strikes("silent"):
            time.sleep(self.faults.silent_seconds)
        if self._strikes("hung_up"):
            raise _HungUp
        if self._strikes("failed_after"):
            raise AwsFault(500, "ServerException", "Internal error")
        return {"jobId": run.ref, "jobName": run.name}

    def describejobs(self, body: dict[str, Any]) -> dict[str, Any]:
        known = [self.runs[ref] for ref in body["jobs"] if ref in self.runs]
        return {"jobs": [_detail(r) for r in known if not r.plan.forgotten and not self._strikes("forgotten")]}

    def listjobs(self, body: dict[str, Any]) -> dict[str, Any]:
        [wanted] = body["filters"][0]["values"]
        with self._lock:
            runs = list(self.runs.values())
        now = time.monotonic()
        named = [run for run in runs if run.name.lower() == wanted.lower() and not run.plan.forgotten]
        found = [run for run in named if run.listed_from <= now]
        with self._lock:
            self.counts["list_lag"] += len(named) - len(found)
        start = int(body.get("nextToken", 0))
        page = {"jobSummaryList": [_summary(run) for run in found[start : start + _LIST_PAGE]]}
        return page | ({"nextToken": str(start + _LIST_PAGE)} if len(found) > start + _LIST_PAGE else {})

    def terminatejob(self, body: dict[str, Any]) -> dict[str, Any]:
        self.runs[body["jobId"]].terminate(body["reason"])
        return {}

    def describejobqueues(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"jobQueues": [{"jobQueueName": body["jobQueues"][0], "state": "ENABLED", "status": "VALID"}]}

    def describejobdefinitions(self, _body: dict[str, Any]) -> dict[str, Any]:
        return {"jobDefinitions": [{"jobDefinitionArn": _DEFINITION, "revision": 1, "status": "ACTIVE"}]}

    def getlogevents(self, body: dict[str, Any]) -> dict[str, Any]:
        run = self.runs[body["logStreamName"].rpartition("/")[2]]
        lines = [] if body.get("nextToken") else run.log
        events = [{"timestamp": int(run.created * 1000), "message": line} for line in lines]
        return {"events": events, "nextForwardToken": "f/end", "nextBackwardToken": "b/start"}

    def _strikes(self, fault: str) -> bool:
        with self._lock:
            share: float = getattr(self.faults, fault)
            struck = share > 0 and (not self.counts[fault] or self._random.random() < share)
            self.counts[fault] += struck
        return struck


def _summary(run: Run) -> dict[str, Any]:
    container = {"container": {"exitCode": run.exit_code}} if run.exit_code is not None else {}
    reason = {"statusReason": run.reason} if run.reason else {}
    facts = {"jobId": run.ref, "jobName": run.name, "status": run.status, "createdAt": int(run.created * 1000)}
    return facts | container | reason


def _detail(run: Run) -> dict[str, Any]:
    container: dict[str, Any] = dict(run.attempts[-1]["container"]) if run.attempts else {}
    return _summary(run) | {
        "jobQueue": compute.JOB_QUEUE,
        "jobDefinition": run.definition,
        "parameters": run.parameters,
        "tags": run.tags,
        "attempts": run.attempts,
        "container": container,
        "isTerminated": run.stop.is_set(),
    }


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that was killed in the middle is part of the play; what else happens is told as always."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def _handler(stand_in: BatchStandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            sent = self.rfile.read(length)
            if len(sent) < length:
                raise ConnectionAbortedError("the caller went away in the middle of its question")
            body = json.loads(sent or b"{}")
            try:
                reply = stand_in.answer(self.path, self.headers.get("X-Amz-Target", ""), body)
            except AwsFault as fault:
                self._send(fault.status, {"message": str(fault)}, {"x-amzn-ErrorType": fault.code})
            except _HungUp:
                self.close_connection = True
            else:
                self._send(200, reply, {})

        def _send(self, status: int, content: dict[str, Any], headers: dict[str, str]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class has it so
            pass

    return Handler
