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


@pytest.fixture(scope="session")
def archive(service_url: str) -> str:
    """A dataset with January 2020 alone; its prefix."""
    with Client(service_url) as client:
        job = client.submit("202001", prefix="archive", collections=["HLSL30_2.0"])
        *_, ended = client.watch(job["id"], every=0.1)
        assert ended["status"] == "succeeded", ended
    return job["params"]["prefix"]


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
    made = hls("keys", "create", "grace", "--scope", "read", "--days", "2")
    assert made.code == 0, made
    key = made.out.strip()
    (listed,) = [each for each in json.loads(hls("keys", "list", "--json").out) if each["name"] == "grace"]
    assert (listed["name"], listed["scope"], key in str(listed)) == ("grace", "read", False)
    assert hls("--key", f"{key}\n", "jobs").code == 0, "as a file or a secret store may give it"
    refused = hls("--key", key, "submit", "202401")
    assert (refused.code, "hls keys list" in refused.err) == (ExitCode.KEY_REFUSED, True)
    other = json.loads(hls("keys", "create", "ben", "--json").out)["id"]
    revoked = json.loads(hls("keys", "revoke", listed["id"], other, "--json").out)
    assert [each["id"] for each in revoked] == [listed["id"], other]
    assert hls("--key", key, "jobs").code == ExitCode.KEY_REFUSED
    often = hls("keys", "create", "cyd").out.strip()
    busy = next(ended for _ in range(70) if (ended := hls("--key", often, "jobs")).code)
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
