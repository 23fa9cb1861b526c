"""The service as processes of its own beside a Batch stand-in, to be killed and started again."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from batch_stand_in import BatchStandIn

from api.settings import ENV_PREFIX

Environment = dict[str, str]


@contextmanager
def batch_environment(stand_in: BatchStandIn, s3_environment: Environment, bucket: str) -> Iterator[Environment]:
    """What a service needs to work with the stand-in and the bucket; this process gets S3's part, for its workers."""
    with stand_in.serving() as url, pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_ENDPOINT_URL_S3"):
            patch.delenv(name, raising=False)
        for name, value in s3_environment.items():
            patch.setenv(name, value)
        yield {
            **s3_environment,
            "AWS_ENDPOINT_URL_BATCH": url,
            "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": url,
            **_settings(executor="batch", archive=f"s3://{bucket}", port=0, reconcile_seconds=0.05),
            **_settings(progress_seconds=60, lookup_seconds=0.5, lost_seconds=6),
        }


def _settings(**values: object) -> Environment:
    return {f"{ENV_PREFIX}{name.upper()}": str(value) for name, value in values.items()}


class Service:
    """One process of the service, `python -m api` or `python -m api.reconciler`, and its lives one after another."""

    def __init__(self, environment: Environment, log: Path, *, module: str = "api") -> None:
        self._environment = environment
        self._command = [sys.executable, "-m", module]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._from = 0

    def start(self) -> None:
        self._from = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, stdout=output, stderr=output, env={**os.environ, **self._environment}
            )

    def kill(self) -> None:
        """As `kill -9`; nothing where it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def printed(self) -> str:
        """By its last life."""
        return self._log.read_bytes()[self._from :].decode()

    def says(self, word: str, seconds: float = 60) -> str:
        """The line with this word, once it is printed."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            lines = [line for line in self.printed.splitlines() if word in line]
            if lines:
                return lines[0]
            assert self._process is not None, "it was never started"
            assert self._process.poll() is None, self.printed[-2000:]
            time.sleep(0.02)
        raise AssertionError(f"no {word} within {seconds} s: {self.printed[-2000:]}")

    def url(self) -> str:
        """The address, once it listens."""
        return str(json.loads(self.says('"action": "serve"'))["url"])


@contextmanager
def service(environment: Environment, log: Path, *, module: str = "api") -> Iterator[Service]:
    """A service that is killed at the end; start it first."""
    with ExitStack() as stack:
        made = Service(environment, log, module=module)
        stack.callback(made.kill)
        yield made


def submit(url: str, prefix: str, month: str) -> dict[str, Any] | None:
    """The job; None where the service did not answer. Sent again it makes no second job."""
    try:
        reply = httpx.post(
            f"{url}/jobs",
            json={"yearMonth": month, "prefix": prefix},
            headers={"Idempotency-Key": f"{prefix}/{month}"},
            timeout=30,
        )
    except httpx.TransportError:
        return None
    if reply.status_code == 503:
        return None
    assert reply.status_code == 202, reply.text
    job: dict[str, Any] = reply.json()
    return job


def all_jobs(url: str) -> list[dict[str, Any]]:
    """Every job, page after page."""
    jobs: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        reply = httpx.get(f"{url}/jobs", params={"limit": 500, **cursor}, timeout=60)
        page = reply.raise_for_status().json()
        jobs += page["jobs"]
        if page["nextCursor"] is None:
            return jobs
        cursor = {"cursor": page["nextCursor"]}


def ended_jobs(url: str, seconds: float = 120) -> list[dict[str, Any]]:
    """Every job, once all have ended."""
    deadline = time.monotonic() + seconds
    while True:
        jobs = all_jobs(url)
        waiting = [job for job in jobs if job["endedAt"] is None]
        if not waiting:
            return jobs
        assert time.monotonic() < deadline, [(job["id"], job["status"], job["message"]) for job in waiting]
        time.sleep(0.2)
