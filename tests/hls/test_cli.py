"""Every command against the real service: what it writes, and its exit code."""

import json
import re
import socket
import sys
from collections.abc import Callable
from typing import Any, get_args

import pytest

from hls import cli
from hls.client import Client
from hls.faults import MEANING, ExitCode
from hls.models import MonthState

BOX = "--bbox=-124.7,32.5,-114.1,42.0"
MONTHS = ("202001", "202003")


@pytest.fixture(scope="session")
def archive(service_url: str) -> str:
    """A dataset with a hole: January and March 2020 in a box; its prefix."""
    with Client(service_url) as client:
        jobs = [client.submit(month, bbox=[-124.7, 32.5, -114.1, 42.0]) for month in MONTHS]
        for job in jobs:
            *_, ended = client.watch(job["id"], every=0.1)
            assert ended["status"] == "succeeded", ended
    return jobs[0]["params"]["prefix"]


def test_a_box_may_begin_with_a_minus(hls: Callable[..., Any], archive: str) -> None:
    """Submitting with --wait ends with 0 once the job has succeeded, and the id alone opens the line."""
    ended = hls("submit", "2020-05", BOX, "--wait")
    assert (ended.code, "succeeded" in ended.err) == (0, True), ended
    job_id = ended.out.split()[0]
    shown = json.loads(hls("job", job_id, "--json").out)
    assert shown["params"]["bbox"] == [-124.7, 32.5, -114.1, 42.0]
    assert shown["params"]["prefix"] == archive
    told = hls("job", job_id)
    assert re.search(r"status +succeeded", told.out)
    assert re.search(r"History:\n.* pending ", told.out)


def test_missing_months_are_seen_and_asked_for(hls: Callable[..., Any], archive: str) -> None:
    """The list shows the hole, names it in words, and gives it alone to whoever asks for it."""
    listed = hls("partitions", "--prefix", archive, "--to", "202003")
    rows = [line.split("\t") for line in listed.out.splitlines()]
    assert [row[:2] for row in rows[1:]] == [["202001", "ready"], ["202002", "missing"], ["202003", "ready"]]
    assert rows[1][rows[0].index("complete")] == "100 %"
    assert f"Missing in {archive}: 202002." in listed.err
    quiet = hls("partitions", "--prefix", archive, "--to", "202003", "--state", "missing", "-q")
    assert quiet.out == "202002\n"
    many = hls("partitions", "--prefix", archive, "--from", "201910", "--to", "202003")
    assert "201910..201912, 202002." in many.err


@pytest.mark.parametrize("command", [("jobs",), ("partitions",), ("keys", "list")])
def test_every_listing_speaks_json(hls: Callable[..., Any], archive: str, command: tuple[str, ...]) -> None:
    """What is written parses, and nothing stands beside it."""
    ended = hls(*command, "--json")
    assert ended.code == 0
    assert isinstance(json.loads(ended.out), dict | list)
    assert ended.err == ""


def test_a_month_in_depth(hls: Callable[..., Any], archive: str) -> None:
    """Without a prefix it is the only dataset that has the month; a month that none has is not found."""
    told = hls("partition", "202001")
    assert (told.code, re.search(r"dataset +(\S+)", told.out)[1]) == (0, archive)  # type: ignore[index]  # None fails the test as well
    assert json.loads(hls("partition", "202001", "--prefix", archive, "--json").out)["items"] > 0
    assert hls("partition", "201812").code == ExitCode.NOT_FOUND


def test_cancel_and_retry(hls: Callable[..., Any], client: Client, source: Any) -> None:
    """A job on a source that hangs is cancelled; its retry is a new job; one that succeeded cannot be cancelled."""
    source.faults.replace(["latency:seconds=30,day=2015-02-03"])
    try:
        job_id = json.loads(hls("submit", "201502", "--prefix", "slow", "--json").out)["id"]
        assert hls("submit", "201502", BOX, "--prefix", "slow").code == ExitCode.CONFLICT
        assert hls("submit", "201502", "--prefix", "slow").out.endswith("active already\n")
        assert hls("cancel", job_id).code == 0
        *_, job = client.watch(job_id, every=0.1)
        assert job["status"] == "cancelled"
    finally:
        source.faults.replace([])
    again = json.loads(hls("retry", job_id, "--json").out)
    assert again["retryOf"] == job_id
    watched = hls("watch", again["id"])
    assert watched.code == 0, watched
    assert hls("cancel", again["id"]).code == ExitCode.CONFLICT
    assert hls("logs", again["id"]).out.count("\n") > 20
    lines = hls("logs", again["id"], "--json").out.splitlines()
    assert all({"at", "text"} == set(json.loads(line)) for line in lines)
    filtered = json.loads(hls("jobs", "--month", "201502", "--status", "cancelled", "--json").out)
    assert [each["id"] for each in filtered] == [job_id]


def test_a_range_of_months(hls: Callable[..., Any], client: Client) -> None:
    """One job a month; a faulty one does not keep the others, and its fault is the exit code."""
    ended = hls("submit", "201412..201501", "190001", "--collections", "HLSL30_2.0", "--prefix", "range")
    assert ended.code == ExitCode.BAD_REQUEST
    assert "190001: The request has faults:\n  yearMonth: " in ended.err
    months = [job["params"]["yearMonth"] for job in client.jobs(prefix="range")]
    assert sorted(months) == ["201412", "201501"]
    assert hls("cancel", *(job["id"] for job in client.jobs(prefix="range"))).code == 0
    assert hls("submit", "201501..201412").code == ExitCode.USAGE


def test_refresh(hls: Callable[..., Any]) -> None:
    """It says that the archive is looked at."""
    ended = hls("refresh")
    assert (ended.code, "looked at" in ended.err) == (0, True)


def test_faults_say_what_to_do(hls: Callable[..., Any], locked_url: str) -> None:
    """Unreachable, something else, no key, wrong key, unknown job, faulty fields, a bad box: each has its code."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}"
    cases: list[tuple[tuple[str, ...], ExitCode, str]] = [
        (("--url", nobody, "jobs"), ExitCode.UNREACHABLE, "hls serve"),
        (("--url", f"{locked_url}/docs", "jobs"), ExitCode.NOT_FOUND, "nothing at this address"),
        (("--url", locked_url, "jobs"), ExitCode.KEY_REFUSED, "HLS_KEY"),
        (("--url", locked_url, "--key", "wrong", "jobs"), ExitCode.KEY_REFUSED, "hls keys create"),
        (("--url", "localhost:1", "jobs"), ExitCode.BAD_CONFIG, "http://HOST:PORT"),
        (("--url", "http://[::1", "jobs"), ExitCode.BAD_CONFIG, "http://HOST:PORT"),
        (("--url", "http://a..b", "jobs"), ExitCode.BAD_CONFIG, "http://HOST:PORT"),
        (("--key", "schlüssel", "jobs"), ExitCode.BAD_CONFIG, "letters"),
        (("--key", "one\ntwo", "jobs"), ExitCode.BAD_CONFIG, "letters"),
        (("job", "nope"), ExitCode.NOT_FOUND, "no job"),
        (("job", "../../healthz"), ExitCode.NOT_FOUND, ""),
        (("submit", "202401", "--prefix", "Bad"), ExitCode.BAD_REQUEST, "lower-case"),
        (("submit", "202401", "--bbox=1,2,3,x"), ExitCode.USAGE, "four numbers"),
        (("nonsense",), ExitCode.USAGE, "nonsense"),
    ]
    for arguments, code, said in cases:
        ended = hls(*arguments)
        assert (ended.code, said in ended.err) == (code, True), (arguments, ended)
        assert "Traceback" not in ended.err


def test_no_proxy_is_asked_for_this_machine(hls: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that the environment names leads to the world, and not to a service on this machine."""
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert hls("jobs").code == 0


@pytest.mark.usefixtures("operator")
def test_keys(hls: Callable[..., Any]) -> None:
    """An operator makes a key, alone on the standard output; it works, may not rule, and is refused once revoked.
    Too many requests are told as such, with the time to wait."""
    made = hls("keys", "create", "ada", "--scope", "read", "--days", "2")
    assert made.code == 0, made
    key = made.out.strip()
    (listed,) = [each for each in json.loads(hls("keys", "list", "--json").out) if each["name"] == "ada"]
    assert (listed["name"], listed["scope"], key in str(listed)) == ("ada", "read", False)
    assert hls("--key", f"{key}\n", "jobs").code == 0, "as a file or a secret store may give it"
    refused = hls("--key", key, "submit", "202401")
    assert (refused.code, "hls keys list" in refused.err) == (ExitCode.KEY_REFUSED, True)
    other = json.loads(hls("keys", "create", "ben", "--json").out)["id"]
    revoked = json.loads(hls("keys", "revoke", listed["id"], other, "--json").out)
    assert [each["id"] for each in revoked] == [listed["id"], other]
    assert hls("--key", key, "jobs").code == ExitCode.KEY_REFUSED
    busy = next(ended for _ in range(40) if (ended := hls("jobs")).code)
    assert (busy.code, "Try again in" in busy.err) == (ExitCode.TRY_LATER, True), busy


def test_the_service_may_be_named_behind_the_command(hls: Callable[..., Any], service_url: str) -> None:
    """Where people write it; what stands before the command holds where nothing stands behind it."""
    nobody = "http://127.0.0.1:9"
    assert hls("jobs", "--url", nobody).code == ExitCode.UNREACHABLE
    assert hls("--url", nobody, "keys", "list", "--url", service_url).code == 0
    assert hls("--url", nobody, "jobs", "--limit", "1").code == ExitCode.UNREACHABLE
    assert hls("jobs", "--key", "schlüssel").code == ExitCode.BAD_CONFIG


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["ret"], ["retry"]),
        (["jobs", "--status", "c"], ["cancelled"]),
        (["partitions", "--state", ""], list(get_args(MonthState))),
        (["keys", "create", "ada", "--scope", "s"], ["submit"]),
    ],
)
def test_completion(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], offered: list[str]
) -> None:
    """The shell is told the commands, and the values of what has a few."""
    monkeypatch.setenv("_HLS_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", " ".join(("hls", *words)))
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    monkeypatch.setattr(sys, "argv", ["hls"])
    with pytest.raises(SystemExit):
        cli.main()
    assert capsys.readouterr().out.split() == offered


def test_every_exit_code_is_explained(hls: Callable[..., Any]) -> None:
    """`hls --help` and docs/client.md list them all."""
    assert set(MEANING) == set(ExitCode)
    shown = hls("--help").out
    assert all(meaning[:30] in shown for meaning in MEANING.values())
