"""Several months or jobs in one command: one JSON document, and what was taken is seen to its end."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from hls.client import Client
from hls.faults import ExitCode
from sample.server import Running

OF_ONE = ("--collections", "HLSL30_2.0")


@pytest.mark.usefixtures("operator")
def test_several_jobs_are_one_json_document(hls: Callable[..., Any]) -> None:
    """A range is one job a month; a faulty one does not keep the others, and its fault is the exit code. An array for
    several, whatever became of them; the job itself for one."""
    asked = hls("submit", "201412..201502", "190001", "--prefix", "several", *OF_ONE, "--json")
    assert (asked.code, "190001: The request has faults:\n  yearMonth: " in asked.err) == (ExitCode.BAD_REQUEST, True)
    jobs = json.loads(asked.out)
    assert [job["params"]["yearMonth"] for job in jobs] == ["201412", "201501", "201502"]
    ids = [job["id"] for job in jobs]
    assert hls("jobs", "--prefix", "several", "-q").out.split() == ids[::-1]
    cancelled = json.loads(hls("cancel", ids[0], ids[1], "--json").out)
    assert [job["id"] for job in cancelled] == ids[:2]
    assert json.loads(hls("cancel", ids[2], "--json").out)["id"] == ids[2]
    refused = hls("cancel", "nope", "neither", "--json")
    assert (refused.code, json.loads(refused.out)) == (ExitCode.NOT_FOUND, [])
    one = hls("cancel", "nope", "--json")
    assert (one.code, one.out) == (ExitCode.NOT_FOUND, "")
    assert hls("submit", "201501..201412").code == ExitCode.USAGE


def test_cancel_and_retry(hls: Callable[..., Any], spoilt: Running) -> None:
    """Jobs that a source holds up are active: another wish for their month is refused, and the same one is theirs. A
    cancel that waits ends with 0 once they have stopped, so that a retry may follow at once: each is a new job, and with
    --wait the array holds them as they ended. One that succeeded cannot be cancelled, and its log is there."""
    spoilt.faults.replace(["429:retry_after=1"])
    ids = hls("submit", "201408", "201409", "--prefix", "retried", *OF_ONE, "-q").out.split()
    assert hls("submit", "201408", "--bbox=-124.7,32.5,-114.1,42.0", "--prefix", "retried").code == ExitCode.CONFLICT
    assert hls("submit", "201408", "--prefix", "retried", *OF_ONE).out.endswith("active already\n")
    stopped = hls("cancel", *ids, "--wait", "--json")
    assert (stopped.code, [job["status"] for job in json.loads(stopped.out)]) == (0, ["cancelled"] * 2)
    spoilt.faults.replace([])
    first = json.loads(hls("retry", ids[0], "--json").out)
    assert first["retryOf"] == ids[0]
    again = hls("retry", *ids, "--wait", "--json")
    jobs = json.loads(again.out)
    assert (again.code, [(job["retryOf"], job["status"]) for job in jobs]) == (0, [(each, "succeeded") for each in ids])
    assert jobs[0]["id"] == first["id"], "the retry that was active already"
    assert hls("cancel", first["id"]).code == ExitCode.CONFLICT
    assert hls("logs", first["id"]).out.count("\n") > 20
    lines = hls("logs", first["id"], "--json").out.splitlines()
    assert all({"at", "text"} == set(json.loads(line)) for line in lines)
    filtered = json.loads(hls("jobs", "--month", "201408", "--status", "cancelled", "--json").out)
    assert [each["id"] for each in filtered] == [ids[0]]


def test_what_was_taken_is_waited_for(hls: Callable[..., Any], client: Client) -> None:
    """A month that is refused is said at once; the other is watched to its end, and then the refusal is the exit code.
    Its history is a result, so it stands on the standard output, and in the JSON too."""
    ended = hls("submit", "201410", "209901", "--prefix", "waited", *OF_ONE, "--wait", "--json")
    (job,) = json.loads(ended.out)
    assert (ended.code, job["status"]) == (ExitCode.BAD_REQUEST, "succeeded"), ended
    assert "209901: The request has faults:" in ended.err
    told = hls("job", job["id"])
    assert told.err == ""
    assert "History:" in told.out
    first, *_, last = told.out.split("History:\n")[1].splitlines()
    assert (first.split()[2], last.split()[2]) == ("pending", "succeeded")
    shown = json.loads(hls("job", job["id"], "--json").out)
    assert shown["events"] == client.events(job["id"])
    assert shown["events"][0]["to"] == "pending"
