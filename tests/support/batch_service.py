"""The service as processes of its own beside a Batch stand-in, to be killed and started again."""

import json
import os
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from batch_stand_in import BatchStandIn
from lives import Lives

from api.settings import ENV_PREFIX

Environment = dict[str, str]

_TLS = ssl.create_default_context()
"""Made once: httpx makes one for each call otherwise, at the price of many calls, though none here uses it."""


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
    """One process of the service, and its lives one after another."""

    def __init__(self, lives: Lives, environment: Environment, log: Path, *arguments: str) -> None:
        self._lives = lives
        self._environment = {**os.environ, **environment}
        self._arguments = arguments
        self._log = log
        self._process: int | None = None
        self._from = 0

    def start(self) -> None:
        self._from = self._log.stat().st_size if self._log.exists() else 0
        self._process = self._lives.start(self._arguments, self._environment, self._log)

    def kill(self) -> None:
        """As `kill -9`; nothing where it does not run."""
        if self._process is not None:
            self._lives.kill(self._process)
            self._process = None

    @property
    def printed(self) -> str:
        """By its last life."""
        return self._log.read_bytes()[self._from :].decode() if self._log.exists() else ""

    def says(self, word: str, seconds: float = 60) -> str:
        """The line with this word, once it is printed."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            lines = [line for line in self.printed.splitlines() if word in line]
            if lines:
                return lines[0]
            assert self._process is not None, "it was never started"
            assert self._lives.is_alive(self._process), self.printed[-2000:]
            time.sleep(0.02)
        raise AssertionError(f"no {word} within {seconds} s: {self.printed[-2000:]}")

    def url(self) -> str:
        """The address, once it listens."""
        return str(json.loads(self.says('"action": "serve"'))["url"])


@contextmanager
def service(lives: Lives, environment: Environment, log: Path, *arguments: str) -> Iterator[Service]:
    """`python -m api ARGUMENTS`, killed at the end; start it first."""
    made = Service(lives, environment, log, *arguments)
    try:
        yield made
    finally:
        made.kill()


def submit(url: str, prefix: str, month: str) -> dict[str, Any] | None:
    """The job; None where the service did not answer. Sent again it makes no second job."""
    try:
        reply = httpx.post(
            f"{url}/jobs",
            json={"yearMonth": month, "prefix": prefix},
            headers={"Idempotency-Key": f"{prefix}/{month}"},
            timeout=30,
            verify=_TLS,
        )
    except httpx.TransportError:
        return None
    if reply.status_code == 503:
        return None
    assert reply.status_code == 202, reply.text
    job: dict[str, Any] = reply.json()
    return job


def cancel(url: str, job_id: str) -> int | None:
    """The status of the answer; None where the service did not answer."""
    try:
        reply = httpx.post(f"{url}/jobs/{job_id}/cancel", timeout=30, verify=_TLS)
    except httpx.TransportError:
        return None
    if reply.status_code == 503:
        return None
    assert reply.status_code in (202, 409), reply.text
    return reply.status_code


def jobs_that_are(url: str, *states: str) -> list[dict[str, Any]]:
    """The jobs in these states; none where the service does not answer."""
    try:
        reply = httpx.get(f"{url}/jobs", params={"limit": 500, "status": states}, timeout=30, verify=_TLS)
    except httpx.TransportError:
        return []
    jobs: list[dict[str, Any]] = reply.json()["jobs"] if reply.status_code == 200 else []
    return jobs


def all_jobs(url: str) -> list[dict[str, Any]]:
    """Every job, page after page."""
    jobs: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        reply = httpx.get(f"{url}/jobs", params={"limit": 500, **cursor}, timeout=60, verify=_TLS)
        page = reply.raise_for_status().json()
        jobs += page["jobs"]
        if page["nextCursor"] is None:
            return jobs
        cursor = {"cursor": page["nextCursor"]}


def ended_jobs(url: str, patience: float = 120) -> list[dict[str, Any]]:
    """Every job, once all have ended; gives up where none ends for so many seconds."""
    left, deadline = None, 0.0
    while True:
        jobs = all_jobs(url)
        waiting = [job for job in jobs if job["endedAt"] is None]
        if not waiting:
            return jobs
        if len(waiting) != left:
            left, deadline = len(waiting), time.monotonic() + patience
        some = [(job["id"], job["status"], job["message"]) for job in waiting[-5:]]
        assert time.monotonic() < deadline, f"{left} jobs do not end, such as {some}"
        time.sleep(0.2)
