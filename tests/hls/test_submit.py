"""What is asked for without naming it: the months that are missing, the box of a dataset."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from hls.faults import ExitCode

BOX = [-124.7, 32.5, -114.1, 42.0]
ON_THE_LINE = "--bbox=-124.7,32.5,-114.1,42.0"
OF_ONE = ["HLSL30_2.0"]


def test_the_missing_months_of_a_box(hls: Callable[..., Any]) -> None:
    """A box may begin with a minus, and --wait ends with 0 once the jobs have succeeded. The list shows the hole between
    them, which is asked for with the box and the collections that the dataset is bound to; with none missing, none is."""
    asked = hls("submit", "2019-01", "201903", ON_THE_LINE, "--collections", *OF_ONE, "--wait")
    ids = [line.split()[0] for line in asked.out.splitlines()]  # the id alone opens the line
    assert (asked.code, [f"Job {each} succeeded" in asked.err for each in ids]) == (0, [True, True]), asked
    shown = [json.loads(hls("job", each, "--json").out)["params"] for each in ids]
    assert [params["bbox"] for params in shown] == [BOX, BOX]
    (prefix,) = {params["prefix"] for params in shown}
    assert re.search(r"status +succeeded", hls("job", ids[0]).out)
    _check_listing(hls, prefix)
    filled = hls("submit", "--missing", "--prefix", prefix, "--wait", "--json")
    (job,) = json.loads(filled.out)
    assert (filled.code, job["status"], job["params"]["yearMonth"]) == (0, "succeeded", "201902")
    assert (job["params"]["bbox"], job["params"]["collections"]) == (BOX, OF_ONE)
    assert f"{prefix} holds HLSL30_2.0 of -124.7,32.5,-114.1,42.0" in filled.err
    again = hls("submit", "--missing", "--prefix", prefix)
    assert (again.code, again.out, again.err) == (0, "", "No month is missing.\n")
    before = hls("submit", "--missing", "--prefix", prefix, "--from", "201811", "--to", "201902", "-q")
    assert (before.code, len(before.out.split())) == (0, 2)
    assert hls("cancel", *before.out.split()).code == 0


def _check_listing(hls: Callable[..., Any], prefix: str) -> None:
    """The list shows the hole, names it in words, and gives it alone to whoever asks for it."""
    listed = hls("partitions", "--prefix", prefix, "--to", "201903")
    rows = [line.split("\t") for line in listed.out.splitlines()]
    assert [row[:2] for row in rows[1:]] == [["201901", "ready"], ["201902", "missing"], ["201903", "ready"]]
    assert rows[1][rows[0].index("complete")] == "100 %"
    assert f"Missing in {prefix}: 201902." in listed.err
    quiet = hls("partitions", "--prefix", prefix, "--to", "201903", "--state", "missing", "-q")
    assert quiet.out == "201902\n"
    many = hls("partitions", "--prefix", prefix, "--from", "201810", "--to", "201903")
    assert "201810..201812, 201902." in many.err


@pytest.mark.usefixtures("operator")
def test_a_month_of_a_bound_dataset(hls: Callable[..., Any]) -> None:
    """Its box need not be given again, and one that is given and differs is refused with what it holds."""
    assert hls("submit", "201905", ON_THE_LINE, "--prefix", "bound").code == 0
    asked = hls("submit", "201906", "--prefix", "bound", "--json")
    assert (asked.code, json.loads(asked.out)["params"]["bbox"]) == (0, BOX)
    other = hls("submit", "201907", "--prefix", "bound", "--bbox=1,2,3,4")
    assert (other.code, "-124.7" in other.err) == (ExitCode.CONFLICT, True)
    assert hls("cancel", *hls("jobs", "--prefix", "bound", "-q").out.split(), "--wait").code == 0


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
