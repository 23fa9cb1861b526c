"""What is asked for without naming it: the months that are missing, the jobs that failed, the box of a dataset."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hls.client import Client
from hls.faults import ExitCode
from sample.server import Running

BOX = [-124.7, 32.5, -114.1, 42.0]
OF_ONE = ["HLSL30_2.0"]


@pytest.fixture
def spoilt(source: Running) -> Iterator[Running]:
    """The source, which is well again after the test."""
    yield source
    source.faults.replace([])


def test_the_missing_months_of_a_box(hls: Callable[..., Any], client: Client) -> None:
    """They are asked for with the box and the collections that the dataset is bound to; with none missing, none is."""
    for month in ("201901", "201903"):
        job = client.submit(month, bbox=BOX, collections=OF_ONE, prefix="holes")
        *_, ended = client.watch(job["id"], every=0.1)
        assert ended["status"] == "succeeded"
    filled = hls("submit", "--missing", "--prefix", "holes", "--wait", "--json")
    (job,) = json.loads(filled.out)
    assert (filled.code, job["status"], job["params"]["yearMonth"]) == (0, "succeeded", "201902")
    assert (job["params"]["bbox"], job["params"]["collections"]) == (BOX, OF_ONE)
    assert "holes holds HLSL30_2.0 of -124.7,32.5,-114.1,42.0" in filled.err
    again = hls("submit", "--missing", "--prefix", "holes")
    assert (again.code, again.out, again.err) == (0, "", "No month is missing.\n")
    before = hls("submit", "--missing", "--prefix", "holes", "--from", "201811", "--to", "201902", "-q")
    assert (before.code, len(before.out.split())) == (0, 2)
    assert hls("cancel", *before.out.split()).code == 0


def test_a_month_of_a_bound_dataset(hls: Callable[..., Any], client: Client) -> None:
    """Its box need not be given again, and one that is given and differs is refused with what it holds."""
    client.submit("201905", bbox=BOX, prefix="bound")
    asked = hls("submit", "201906", "--prefix", "bound", "--json")
    assert (asked.code, json.loads(asked.out)["params"]["bbox"]) == (0, BOX)
    other = hls("submit", "201907", "--prefix", "bound", "--bbox=1,2,3,4")
    assert (other.code, "-124.7" in other.err) == (ExitCode.CONFLICT, True)
    assert hls("cancel", *hls("jobs", "--prefix", "bound", "-q").out.split(), "--wait").code == 0


def test_failed_jobs_that_nobody_has_dealt_with(hls: Callable[..., Any], spoilt: Running) -> None:
    """A failed job is done again once, and not after its month was."""
    spoilt.faults.replace(["no-geometry:day=2019-08-03"])
    failed = hls("submit", "201908", "--prefix", "dealt", "--collections", "HLSL30_2.0", "--wait")
    assert (failed.code, "(INCOMPLETE)" in failed.err) == (ExitCode.JOB_FAILED, True), failed
    spoilt.faults.replace([])
    again = hls("retry", "--failed", "--prefix", "dealt", "--wait", "--json")
    assert (again.code, [job["retryOf"] for job in json.loads(again.out)]) == (0, [failed.out.split()[0]])
    none = hls("retry", "--failed", "--prefix", "dealt")
    assert (none.code, none.out, none.err) == (0, "", "No failed job is left to do again.\n")


@pytest.mark.parametrize("command", ["submit", "retry", "cancel"])
def test_an_empty_list_is_no_fault(hls: Callable[..., Any], command: str) -> None:
    """As of a command between $( and ) that found nothing: it is said, and nothing is done."""
    ended = hls(command)
    assert (ended.code, ended.out) == (0, "")
    assert ended.err.startswith(("No month was named", "No job was named"))
    assert hls(command, "--json").out == "[]\n"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("submit", "--missing"), ExitCode.USAGE),
        (("submit", "202401", "--missing", "--prefix", "x"), ExitCode.USAGE),
        (("submit", "202401", "--from", "202401"), ExitCode.USAGE),
        (("submit", "--missing", "--prefix", "nowhere", "--from", "202401", "--to", "202402"), ExitCode.NOT_FOUND),
        (("retry", "x", "--failed"), ExitCode.USAGE),
        (("retry", "x", "--prefix", "y"), ExitCode.USAGE),
    ],
)
def test_what_cannot_be_meant(hls: Callable[..., Any], arguments: tuple[str, ...], code: ExitCode) -> None:
    """Nothing is asked for, and it says what is needed."""
    ended = hls(*arguments)
    assert (ended.code, ended.out, bool(ended.err)) == (code, "", True)


def test_a_cancel_that_waits(hls: Callable[..., Any], spoilt: Running) -> None:
    """It ends with 0 once the job has stopped, so that a retry may follow at once."""
    spoilt.faults.replace(["429:retry_after=1"])
    job_id = hls("submit", "201909", "--prefix", "stopped", "-q").out.strip()
    stopped = hls("cancel", job_id, "--wait", "--json")
    assert (stopped.code, json.loads(stopped.out)["status"]) == (0, "cancelled")
    spoilt.faults.replace([])
    assert hls("retry", job_id, "--wait").code == 0
