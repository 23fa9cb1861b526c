"""Runs jobs to their end."""

from collections.abc import Iterable
from typing import Any, cast

from hls.client import Client


def finished(client: Client, job_id: str) -> dict[str, Any]:
    """The job once it has ended."""
    *_, job = client.watch(job_id, every=0.1)
    return cast(dict[str, Any], job)


def described(client: Client, month: str, prefix: str) -> dict[str, Any]:
    """The month in depth, as the catalogue has it."""
    return cast(dict[str, Any], client.partition(month, prefix))


def harvested(client: Client, months: Iterable[str], **wishes: Any) -> list[dict[str, Any]]:
    """The ended jobs of several months, submitted together; each must have succeeded."""
    jobs = [client.submit(month, **wishes) for month in months]
    ended = [finished(client, job["id"]) for job in jobs]
    for job in ended:
        assert job["status"] == "succeeded", (job["failure"], job["logTail"])
    return ended
