"""Jobs of the Batch stand-in: what each is told to do, and a small worker that keeps to the storage protocol."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from staged_days import partition_file, provenance_of

from storage import StorageError
from storage.s3 import S3Store
from worker.contract import compute
from worker.contract.exits import ExitCode
from worker.contract.job import RunParams
from worker.errors import RunError
from worker.publish import Publisher

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

EXITED = "Essential container in task exited"
STARTED, ENDED = ("STARTING", "RUNNING"), ("SUCCEEDED", "FAILED")


def three_items(_store: S3Store, _params: RunParams) -> int:
    return 3


@dataclass(frozen=True)
class Plan:
    """What becomes of a job. `harvest` gives the number of items, or raises as the worker does."""

    seconds: float = 0.2
    harvest: Callable[[S3Store, RunParams], int] = three_items
    waits_because: str | None = None
    """Batch's reason for a job that stays RUNNABLE."""
    ends_because: str | None = None
    """Batch's reason for a job that it ends itself."""
    container_reason: str | None = None
    exit_code: int | None = None
    forgotten: bool = False
    """Batch knows the job for a moment and then no more."""


@dataclass
class Run:
    """One job of Batch."""

    ref: str
    name: str
    definition: str
    parameters: dict[str, str]
    tags: dict[str, str]
    plan: Plan
    client: "S3Client"
    listed_from: float
    """On the monotonic clock: `ListJobs` lags."""
    created: float = field(default_factory=time.time)
    status: str = "RUNNABLE"
    reason: str | None = None
    attempts: list[dict[str, Any]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    publications: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reason = self.plan.waits_because

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def exit_code(self) -> int | None:
        return self.attempts[-1]["container"].get("exitCode") if self.attempts else None

    @property
    def job_id(self) -> str:
        return self.tags[compute.JOB_TAG]

    def terminate(self, reason: str) -> None:
        """As TerminateJob: a job that waits ends at once, one that runs when its worker has stopped."""
        if self.ended:
            return
        self.reason = reason
        self.stop.set()
        if self.status not in STARTED:
            self.status = "FAILED"

    def carry_out(self) -> None:
        """Attempt after attempt, by the job definition's own rules."""
        for number in range(compute.ATTEMPTS):
            if self.stop.is_set():
                self.status = "FAILED"
                return
            self.status, began = "RUNNING", time.time()
            code, reason = self._attempt()
            container: dict[str, Any] = {"logStreamName": f"worker/default/{self.ref}"}
            if code is not None:
                container["exitCode"] = code
            if self.plan.container_reason:
                container["reason"] = self.plan.container_reason
            times = {"startedAt": int(began * 1000), "stoppedAt": int(time.time() * 1000)}
            self.attempts.append({"container": container, "statusReason": reason, **times})
            last = self.stop.is_set() or number + 1 == compute.ATTEMPTS
            if last or not _retried(code, reason, self.plan.container_reason):
                self.reason = self.reason if self.stop.is_set() else reason
                self.status = "SUCCEEDED" if code == 0 else "FAILED"
                return
            self.status = "RUNNABLE"

    def _attempt(self) -> tuple[int | None, str]:
        self.stop.wait(self.plan.seconds)
        if self.stop.is_set():
            return ExitCode.INTERRUPTED, EXITED
        if self.plan.ends_because:
            return self.plan.exit_code, self.plan.ends_because
        try:
            self._work(RunParams.from_parameters(self.parameters))
        except (RunError, StorageError) as error:
            self._say("error", str(error))
            return getattr(error, "exit_code", ExitCode.STORAGE), EXITED
        except Exception as error:  # noqa: BLE001  the worker's main says it like this too
            self._say("error", f"{type(error).__name__}: {error}")
            return 1, EXITED
        self._say("info", "the partition is published")
        return ExitCode.DONE, EXITED

    def _work(self, params: RunParams) -> None:
        """Decision, partition and result as the worker writes them, with no harvest before."""
        store = _Recorded(params.destination.removeprefix("s3://"), self.client, self.publications)
        publisher = Publisher(store, params, self.ref)
        begun = publisher.begin()
        if publisher.finished(begun) is not None:
            return
        items = self.plan.harvest(store, params)
        provenance = provenance_of(params, items=items)
        with TemporaryDirectory() as folder:
            path = partition_file(Path(folder) / "data.parquet", provenance)
            publisher.check(begun, items)
            publisher.publish(begun, path, provenance, row_groups=1, now=datetime.now(UTC))

    def _say(self, level: str, message: str) -> None:
        self.log.append(json.dumps({"level": level, "message": message, "action": "end"}))


class _Recorded(S3Store):
    """A bucket that notes every partition that was really put."""

    def __init__(self, bucket: str, client: "S3Client", publications: list[str]) -> None:
        super().__init__(bucket)
        self._client.close()
        self._client = client
        self._publications = publications

    def publish(self, key: str, path: Path, *, expected: str | None) -> str:
        etag = super().publish(key, path, expected=expected)
        self._publications.append(key)
        return etag


def _retried(code: int | None, status_reason: str, reason: str | None) -> bool:
    """As Batch reads `evaluateOnExit`: the first rule whose every pattern matches decides."""
    said = {"on_exit_code": str(code), "on_reason": reason or "", "on_status_reason": status_reason}
    for rule in compute.RETRY_RULES:
        patterns: Sequence[tuple[str, str | None]] = [(name, getattr(rule, name)) for name in said]
        if all(pattern is None or fnmatchcase(said[name], pattern) for name, pattern in patterns):
            return rule.retry
    return True
