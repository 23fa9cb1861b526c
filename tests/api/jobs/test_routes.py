"""Jobs over HTTP."""

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from api.executors.memory import MemoryExecutor
from worker.contract.exits import ExitCode


def submit(client: httpx.Client, month: str = "202401", **body: Any) -> dict[str, Any]:
    reply = client.post("/jobs", json={"yearMonth": month, **body})
    assert reply.status_code == 202, reply.text
    job: dict[str, Any] = reply.json()
    return job


def until(client: httpx.Client, job_id: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The job, as soon as it is as wanted."""
    deadline = time.monotonic() + 20
    while True:
        job: dict[str, Any] = client.get(f"/jobs/{job_id}").json()
        if wanted(job):
            return job
        assert time.monotonic() < deadline, job
        time.sleep(0.02)


def in_state(state: str) -> Callable[[dict[str, Any]], bool]:
    return lambda job: job["status"] == state


def test_a_job_is_accepted(quiet_client: httpx.Client) -> None:
    """202, the address, and the whole request with its defaults named, among them the box's own prefix."""
    reply = quiet_client.post("/jobs", json={"yearMonth": "2024-01", "bbox": [-124.7, 32.5, -114.1, 42]})
    job = reply.json()
    assert reply.status_code == 202
    assert reply.headers["location"] == f"/jobs/{job['id']}" == job["links"]["self"]
    assert job["status"] == "pending"
    assert job["params"]["yearMonth"] == "202401"
    assert job["params"]["bbox"] == [-124.7, 32.5, -114.1, 42.0]
    assert job["params"]["prefix"].startswith("hls-data-bbox-")
    assert job["params"]["collections"] == ["HLSL30_2.0", "HLSS30_2.0"]
    assert "Waiting to be submitted" in job["message"]
    assert quiet_client.get(reply.headers["location"]).json() == job


def test_the_same_again_is_told_so(quiet_client: httpx.Client) -> None:
    """An equal request while the job is active: 200, the same job, `deduplicated`."""
    job = submit(quiet_client)
    reply = quiet_client.post("/jobs", json={"yearMonth": "202401"})
    assert reply.status_code == 200
    assert reply.json() == job | {"deduplicated": True}
    assert reply.headers["location"] == job["links"]["self"]


def test_conflicts_say_what_to_do(quiet_client: httpx.Client) -> None:
    """A different job for the partition, and another dataset on the prefix, are 409 with a type each."""
    job = submit(quiet_client)
    busy = quiet_client.post("/jobs", json={"yearMonth": "202401", "allowShrink": True})
    assert (busy.status_code, busy.json()["type"]) == (409, "urn:hls:problem:partition-busy")
    assert busy.json()["jobId"] == job["id"]
    bound = quiet_client.post("/jobs", json={"yearMonth": "202402", "bbox": [0, 0, 1, 1], "prefix": "hls-data"})
    assert (bound.status_code, bound.json()["type"]) == (409, "urn:hls:problem:prefix-bound")
    assert "name another prefix" in bound.json()["detail"]


def test_an_idempotency_key_replays_its_answer(quiet_client: httpx.Client) -> None:
    """The same request with the key gets the first answer, even once the job has moved on; another one is 422."""
    headers = {"Idempotency-Key": "mine"}
    first = quiet_client.post("/jobs", json={"yearMonth": "202401"}, headers=headers)
    quiet_client.post(f"{first.json()['links']['self']}/cancel")
    again = quiet_client.post("/jobs", json={"yearMonth": "2024-01"}, headers=headers)
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotency-replayed"] == "true"
    other = quiet_client.post("/jobs", json={"yearMonth": "202402"}, headers=headers)
    assert (other.status_code, other.json()["type"]) == (422, "urn:hls:problem:idempotency-key-reused")
    assert len(quiet_client.get("/jobs").json()["jobs"]) == 1


def test_pages_are_stable_while_jobs_arrive(quiet_client: httpx.Client) -> None:
    """Newest first; following `next` gives each job once, although new ones come in between; the last has no link."""
    ids = [submit(quiet_client, f"2023{month:02d}")["id"] for month in range(1, 8)]
    seen: list[str] = []
    url, arrivals = "/jobs?limit=3&status=pending&status=running", 0
    while url:
        reply = quiet_client.get(url)
        seen += [job["id"] for job in reply.json()["jobs"]]
        arrivals += 1
        submit(quiet_client, f"2022{arrivals:02d}")
        assert ("next" in reply.links) == (reply.json()["nextCursor"] is not None)
        url = reply.links["next"]["url"] if "next" in reply.links else ""
    assert seen == ids[::-1]


def test_jobs_are_filtered(quiet_client: httpx.Client) -> None:
    """By status, month (in either notation) and prefix, and by all of them together."""
    world, boxed = submit(quiet_client), submit(quiet_client, bbox=[0, 0, 1, 1], prefix="box/one")
    other = submit(quiet_client, "202402")
    quiet_client.post(f"/jobs/{other['id']}/cancel")

    def listed(query: str) -> set[str]:
        return {job["id"] for job in quiet_client.get(f"/jobs?{query}").json()["jobs"]}

    assert listed("yearMonth=2024-01") == {world["id"], boxed["id"]}
    assert listed("prefix=box/one") == {boxed["id"]}
    assert listed("status=cancelled") == {other["id"]}
    assert listed("status=pending&yearMonth=202401&prefix=hls-data") == {world["id"]}
    assert listed("yearMonth=202001") == set()


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=x", "limit"),
        ("status=done", "status"),
        ("yearMonth=202413", "yearMonth"),
        ("prefix=../x", "prefix"),
        ("month=202401", "month"),
    ],
)
def test_faulty_filters_are_named(quiet_client: httpx.Client, query: str, field: str) -> None:
    """A filter that cannot be meant is refused and not ignored."""
    reply = quiet_client.get(f"/jobs?{query}")
    assert reply.status_code == 422
    assert [fault["field"] for fault in reply.json()["errors"]] == [field]


@pytest.mark.parametrize(
    "cursor",
    ["x", "bm8", "WyIyMDI0LTAxLTAxIiwgMV0", "WyIwMDAxLTAxLTAxVDAwOjAwKzIzOjU5IiwiMCJd", "W1tb" * 1000],
)
def test_a_foreign_cursor_is_refused(quiet_client: httpx.Client, cursor: str) -> None:
    """Whatever a cursor decodes to, it is the caller's fault and not the service's."""
    reply = quiet_client.get("/jobs", params={"cursor": cursor})
    assert (reply.status_code, reply.json()["type"]) == (422, "urn:hls:problem:bad-cursor")


def test_the_life_of_a_job(client: httpx.Client, executor: MemoryExecutor) -> None:
    """From the request over the executor to a failure that says what to do, with its events, log, and a retry."""
    job = submit(client)
    # The executor's own word comes with the first look at the run, a moment after it was taken.
    until(client, job["id"], lambda seen: "Queued at the executor (QUEUED)" in seen["message"])
    assert client.get(job["links"]["logs"]).json() == {
        "lines": [],
        "nextToken": None,
        "reason": "The job has not started yet.",
    }
    (ref,) = executor.submitted
    executor.start(ref)
    until(client, job["id"], in_state("running"))
    executor.log(ref, "one", "two", "three")
    page = client.get(job["links"]["logs"], params={"limit": 2}).json()
    assert [line["text"] for line in page["lines"]] == ["one", "two"]
    page = client.get(job["links"]["logs"], params={"limit": 2, "token": page["nextToken"]}).json()
    assert [line["text"] for line in page["lines"]] == ["three"]
    executor.fail(ref, ExitCode.SOURCE_UNAVAILABLE, reason="Essential container in task exited")
    failed = until(client, job["id"], in_state("failed"))
    assert failed["failure"]["code"] == "SOURCE_UNAVAILABLE"
    assert "exit code 69" in failed["failure"]["message"]
    assert "Retry when it does" in failed["failure"]["message"]
    assert "Essential container in task exited" in failed["failure"]["message"]
    assert failed["logTail"] == ["one", "two", "three"]
    assert [attempt["exitCode"] for attempt in failed["attempts"]] == [69]
    events = client.get(job["links"]["events"]).json()["events"]
    assert [(event["from"], event["to"], event["who"]) for event in events] == [
        (None, "pending", "anonymous"),
        ("pending", "submitted", "reconciler"),
        ("submitted", "running", "memory"),
        ("running", "failed", "memory"),
    ]
    retry = client.post(failed["links"]["retry"])
    assert retry.status_code == 202
    assert (retry.json()["retryOf"], retry.json()["stageId"]) == (job["id"], job["stageId"])


@pytest.mark.parametrize("token", ["x", "-1", "9" * 30])
def test_a_foreign_log_token_is_refused(client: httpx.Client, executor: MemoryExecutor, token: str) -> None:
    """It is the caller's fault, and the reply names the field."""
    job = submit(client)
    until(client, job["id"], in_state("submitted"))
    executor.start("run-1")
    until(client, job["id"], in_state("running"))
    reply = client.get(job["links"]["logs"], params={"token": token})
    assert (reply.status_code, reply.json()["type"]) == (422, "urn:hls:problem:invalid-request")
    assert [error["field"] for error in reply.json()["errors"]] == ["token"]


def test_a_job_is_shown_without_its_executor(client: httpx.Client, executor: MemoryExecutor) -> None:
    """While the executor is away a job and its kept log lines are still served, and /readyz names the executor."""
    job = submit(client)
    until(client, job["id"], in_state("submitted"))
    (ref,) = executor.submitted
    executor.start(ref)
    executor.log(ref, "last words")
    until(client, job["id"], in_state("running"))
    executor.outage = "closed for repair"
    assert client.get(job["links"]["self"]).json()["status"] == "running"
    away = client.get(job["links"]["logs"])
    assert (away.status_code, away.json()["type"]) == (503, "urn:hls:problem:executor-unavailable")
    assert "closed for repair" in away.json()["detail"]
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["executor"] == {"ok": False, "detail": "it takes no work; the log has the details"}
    executor.outage = None
    executor.fail(ref, 1)
    until(client, job["id"], in_state("failed"))
    executor.outage = "closed again"
    kept = client.get(job["links"]["logs"]).json()
    assert [line["text"] for line in kept["lines"]] == ["last words"]
    assert "closed again" in kept["reason"]


def test_cancelling_over_http(client: httpx.Client, executor: MemoryExecutor) -> None:
    """A running job: 202, then cancelled; again 202, because it is what was asked for; what failed is 409."""
    job = submit(client)
    until(client, job["id"], in_state("submitted"))
    executor.start("run-1")
    assert client.post(f"/jobs/{job['id']}/cancel").status_code == 202
    cancelled = until(client, job["id"], in_state("cancelled"))
    assert cancelled["failure"] is None
    assert executor.terminated["run-1"] == "cancelled by anonymous"
    assert client.post(f"/jobs/{job['id']}/cancel").status_code == 202
    other = submit(client)
    until(client, other["id"], in_state("submitted"))
    executor.fail("run-2", 1)
    until(client, other["id"], in_state("failed"))
    late = client.post(f"/jobs/{other['id']}/cancel")
    assert (late.status_code, late.json()["type"]) == (409, "urn:hls:problem:job-ended")


@pytest.mark.parametrize("path", ["", "/events", "/logs", "/cancel", "/retry"])
def test_an_unknown_job_is_404(quiet_client: httpx.Client, path: str) -> None:
    """On every route of a job, whatever stands for the id."""
    method = "POST" if path in ("/cancel", "/retry") else "GET"
    for job_id in ("0123456789abcdef", "nope", "%00", "%F0%9F%98%80"):
        reply = quiet_client.request(method, f"/jobs/{job_id}{path}")
        assert (reply.status_code, reply.json()["type"]) == (404, "urn:hls:problem:job-not-found")
