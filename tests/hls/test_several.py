"""Several months or jobs in one command: one JSON document, and what was taken is seen to its end."""

import json
from collections.abc import Callable
from typing import Any

from hls.client import Client
from hls.faults import ExitCode

OF_ONE = ("--collections", "HLSL30_2.0")


def test_several_jobs_are_one_json_document(hls: Callable[..., Any]) -> None:
    """An array for several, whatever became of them; the job itself for one."""
    asked = hls("submit", "201405..201407", "--prefix", "several", *OF_ONE, "--json")
    ids = [job["id"] for job in json.loads(asked.out)]
    assert len(ids) == 3
    cancelled = json.loads(hls("cancel", ids[0], ids[1], "--json").out)
    assert [job["id"] for job in cancelled] == ids[:2]
    assert json.loads(hls("cancel", ids[2], "--json").out)["id"] == ids[2]
    refused = hls("cancel", "nope", "neither", "--json")
    assert (refused.code, json.loads(refused.out)) == (ExitCode.NOT_FOUND, [])
    one = hls("cancel", "nope", "--json")
    assert (one.code, one.out) == (ExitCode.NOT_FOUND, "")


def test_several_retries_are_waited_for(hls: Callable[..., Any], client: Client) -> None:
    """Each retry is a new job, and with --wait the array holds them as they ended."""
    asked = [client.submit(month, prefix="retried", collections=["HLSL30_2.0"]) for month in ("201408", "201409")]
    ids = [job["id"] for job in asked]
    assert hls("cancel", *ids).code == 0
    for job_id in ids:
        *_, _ended = client.watch(job_id, every=0.1)
    again = hls("retry", *ids, "--wait", "--json")
    assert (again.code, [(job["retryOf"], job["status"]) for job in json.loads(again.out)]) == (
        0,
        [(job_id, "succeeded") for job_id in ids],
    )


def test_what_was_taken_is_waited_for(hls: Callable[..., Any]) -> None:
    """A month that is refused is said at once; the other is watched to its end, and then the refusal is the exit code."""
    ended = hls("submit", "201410", "209901", "--prefix", "waited", *OF_ONE, "--wait", "--json")
    (job,) = json.loads(ended.out)
    assert (ended.code, job["status"]) == (ExitCode.BAD_REQUEST, "succeeded"), ended
    assert "209901: The request has faults:" in ended.err


def test_a_job_is_shown_whole(hls: Callable[..., Any], client: Client) -> None:
    """Its history is a result, so it stands on the standard output, and in the JSON too."""
    job_id = client.submit("201411", prefix="whole", collections=["HLSL30_2.0"])["id"]
    *_, _ended = client.watch(job_id, every=0.1)
    told = hls("job", job_id)
    assert told.err == ""
    assert "History:" in told.out
    first, *_, last = told.out.split("History:\n")[1].splitlines()
    assert (first.split()[2], last.split()[2]) == ("pending", "succeeded")
    shown = json.loads(hls("job", job_id, "--json").out)
    assert shown["events"] == client.events(job_id)
    assert shown["events"][0]["to"] == "pending"
