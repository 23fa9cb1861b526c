"""The reconciler's look at every active job: `python -m benchmarks.sweep DATABASE_URL`.

Batch's client is the real one; what it sends is counted and answered on its way out. A process of its own, so that its
memory is the reconciler's.
"""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import boto3
import psutil
from botocore import UNSIGNED
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config

from api import db
from api.catalog.engine import Engine as CatalogEngine
from api.catalog.service import CatalogService
from api.executors.batch import BatchExecutor
from api.reconciler.context import Context
from api.reconciler.watch import watch_active
from api.settings import Settings
from storage import open_store

_REPOSITORY = Path(__file__).parent.parent
_PASSES = 3
_RUNNING = 50  # every fiftieth job runs, the others wait for room


@dataclass(frozen=True)
class Pass:
    """One look at every job: calls of DescribeJobs and the jobs that they asked for; memory in MiB."""

    calls: int
    jobs: int
    seconds: float
    rss_before_mib: float
    rss_peak_mib: float
    rss_after_mib: float


class _Batch:
    """Answers DescribeJobs at the wire."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.peak = 0.0

    def answer(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        assert isinstance(request.body, (str, bytes))
        refs = json.loads(request.body)["jobs"]
        self.asked.append(len(refs))
        self.peak = max(self.peak, _rss_mib())
        body = json.dumps({"jobs": [_job(ref) for ref in refs]}).encode()
        return AWSResponse(request.url, 200, HTTPHeaders(), _Body(body))


class _Body:
    """As much of a response as botocore reads."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_: Any) -> list[bytes]:
        return [self._content]


def _job(ref: str) -> dict[str, Any]:
    container = {"logStreamName": f"worker/{ref}"} if int(ref[-12:]) % _RUNNING == 0 else {}
    return {
        "jobId": ref,
        "jobName": f"hls-202401-{ref}",
        "jobQueue": "queue",
        "jobDefinition": "hls:1",
        "status": "RUNNING" if container else "RUNNABLE",
        "startedAt": 1_767_225_600_000,
        "createdAt": 1_767_225_600_000,
        "attempts": [],
        "container": container,
    }


def _rss_mib() -> float:
    return float(psutil.Process().memory_info().rss) / 2**20


def sweep(database_url: str) -> list[Pass]:
    """Several passes, one after another; the first one finds something new at every job."""
    settings = Config(signature_version=UNSIGNED, region_name="us-east-1")
    client, batch = boto3.client("batch", config=settings), _Batch()
    client.meta.events.register("before-send.batch.DescribeJobs", batch.answer)  # type: ignore[arg-type]  # the stubs know no handler that answers
    executor = BatchExecutor(client, client, boto3.client("logs", config=settings))
    engine = db.make_engine(Settings(database_url=database_url).database)
    with tempfile.TemporaryDirectory() as folder, CatalogEngine() as catalog_engine:
        store = open_store(Path(folder).as_uri())
        catalog = CatalogService(store, catalog_engine)
        context = Context(engine=engine, executor=executor, store=store, catalog=catalog, destination=store.uri)
        passes = [_pass(context, batch) for _ in range(_PASSES)]
    executor.close()
    engine.dispose()
    return passes


def _pass(context: Context, batch: _Batch) -> Pass:
    batch.asked.clear()
    before, began = _rss_mib(), time.perf_counter()
    batch.peak = before
    watch_active(context)
    seconds, after = time.perf_counter() - began, _rss_mib()
    return Pass(len(batch.asked), sum(batch.asked), seconds, before, max(batch.peak, after), after)


def run(database_url: str) -> list[Pass]:
    """In a process of its own."""
    command = [sys.executable, "-m", "benchmarks.sweep", database_url]
    done = subprocess.run(command, cwd=_REPOSITORY, stdout=subprocess.PIPE, text=True, check=True)
    return [Pass(**each) for each in json.loads(done.stdout)]


if __name__ == "__main__":
    print(json.dumps([asdict(each) for each in sweep(sys.argv[1])]))
