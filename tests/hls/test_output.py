"""What a person sees on a terminal, and what a program reads from a pipe."""

import subprocess
import sys
from typing import Any

import pytest
from terminals import on_a_terminal, plain

from hls import output
from hls.client import Client
from tests.hls.conftest import KEY

HLS = (sys.executable, "-m", "hls")
PREFIX = "shown-with-a-name-as-long"


@pytest.fixture
def environment(environment: dict[str, str], locked_url: str) -> dict[str, str]:
    """It leads to the service that runs no jobs, as its operator."""
    return {**environment, "HLS_URL": locked_url, "HLS_KEY": KEY}


@pytest.fixture(scope="module")
def job(locked_url: str) -> Any:
    """One that was cancelled, so that there is a state to colour."""
    with Client(locked_url, KEY) as client:
        job = client.cancel(client.submit("201601", prefix=PREFIX, collections=["HLSL30_2.0"])["id"])
        *_, ended = client.watch(job["id"], every=0.1)
        return ended


@pytest.mark.parametrize("command", [("jobs", "--prefix", PREFIX), ("job",)], ids=["table", "fields"])
def test_colour_on_a_terminal_only(environment: dict[str, str], job: Any, command: tuple[str, ...]) -> None:
    """The word of a state is coloured on a terminal; in a pipe, and where NO_COLOR asks for it, nothing is."""
    command = (*HLS, *command, job["id"]) if command == ("job",) else (*HLS, *command)
    magenta = "\x1b[35mcancelled\x1b[0m"
    code, shown = on_a_terminal(command, environment)
    assert (code, magenta in shown) == (0, True), shown
    _, sober = on_a_terminal(command, {**environment, "NO_COLOR": "1"})
    assert magenta not in sober
    piped = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert "\x1b" not in piped.stdout + piped.stderr
    assert "cancelled" in piped.stdout
    assert "cancelled" in plain(shown)


def test_a_table_on_a_terminal_and_columns_in_a_pipe(environment: dict[str, str], job: Any) -> None:
    """The same cells: aligned under their columns there, between tabs here."""
    command = (*HLS, "jobs", "--prefix", PREFIX)
    piped = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    names, cells = (line.split("\t") for line in piped.stdout.splitlines())
    assert (names[0], cells[0]) == ("id", job["id"])
    _, shown = on_a_terminal(command, environment, width=200)
    head, row, *below = plain(shown).splitlines()
    assert below == ["", f"{job['id']}  {job['message']}"], "a sentence has no room beside what one copies"
    assert [row[head.index(name) :].startswith(cells[names.index(name)]) for name in ("id", "month", "status")] == [
        True
    ] * 3


def test_what_one_copies_is_in_one_piece(environment: dict[str, str], job: Any) -> None:
    """The id and the dataset of a job stand whole in their line on a terminal of 80 columns."""
    _, shown = on_a_terminal((*HLS, "jobs", "--prefix", PREFIX), environment, width=80)
    row = next(line for line in plain(shown).splitlines() if line.startswith(job["id"]))
    assert row.split()[:4] == [job["id"], "201601", PREFIX, "cancelled"]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (
            '{"time": "2024-03-01T10:20:30.4+00:00", "level": "info", "message": "done", "jobId": "j", "day": "2024-02-01"}',
            "10:20:30 info    done  day=2024-02-01",
        ),
        ("Killed", "Killed"),
        ('{"level": "info"}', '{"level": "info"}'),
        ("[1]", "[1]"),
        ('{"time": 5, "level": "info", "message": "x"}', '{"time": 5, "level": "info", "message": "x"}'),
    ],
)
def test_a_line_of_a_log_for_people(line: str, shown: str) -> None:
    """The time, the level, the message and what goes with it; a line of another kind stays as it is."""
    assert output.readable(line) == shown


def test_an_empty_list_says_so(hls: Any) -> None:
    """A table of no rows is not left to be wondered at."""
    assert hls("jobs", "--prefix", "nobody-asked").err == "No job is like that.\n"
