"""The command line: what it refuses, with which code and words."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from worker.contract.exits import ExitCode
from worker.contract.parameters import PARAMETERS
from worker.main import main

GOOD = ("--year-month=202401", "--destination=file:///nowhere/at/all")


Command = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, root_logger_restored: None) -> Command:
    """The worker with these arguments and settings, in this process: its exit code and the last line of its log."""

    def run(*arguments: str, **environment: str) -> tuple[int, dict[str, Any]]:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        code = main(arguments)
        return code, json.loads(capsys.readouterr().out.splitlines()[-1])

    return run


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "yearMonth is missing: give --year-month"),
        (("--year-month=202401",), "destination is missing: give --s3-bucket or --destination"),
        (("--year-month=202413", GOOD[1]), "'202413' is not a month"),
        (("--year-month=201301", GOOD[1]), "201301 is before the archive's first month"),
        ((*GOOD, "--bounding-box=1,2,3"), "bbox"),
        ((*GOOD, "--parallel=perhaps"), "parallel is true or false, not 'perhaps'"),
        ((*GOOD, "--surprise"), "unrecognized arguments: --surprise"),
        ((*GOOD, "--s3-prefix=../x"), "prefix"),
        (("--year-month=202401", "--destination=gs://bucket"), "is not a destination"),
    ],
)
def test_bad_parameters(command: Command, arguments: tuple[str, ...], words: str) -> None:
    """64, and the message says which parameter is wrong and how it is written, as the last line of the log."""
    code, line = command(*arguments)
    assert code == ExitCode.BAD_PARAMETERS
    assert (line["action"], line["reason"], line["exit_code"]) == ("end", "BAD_PARAMETERS", 64)
    assert words in line["message"]


def test_a_bad_setting(command: Command) -> None:
    """64 too, with the setting's name."""
    code, line = command(*GOOD, MAX_CONCURRENT_DAYS="many")
    assert code == ExitCode.BAD_PARAMETERS
    assert line["message"].startswith("max_concurrent_days: ")


def test_aws_settings_that_make_no_client(command: Command) -> None:
    """The storage's fault, and not a crash."""
    code, line = command("--year-month=202401", "--s3-bucket=bucket", AWS_PROFILE="no-such-profile")
    assert code == ExitCode.STORAGE
    assert "no-such-profile" in line["message"]


def test_a_source_that_is_no_address(command: Command, tmp_path: Path) -> None:
    """64: no retry would help, and the setting to look at is named."""
    archive, temporary = (tmp_path / "archive").as_uri(), str(tmp_path / "temporary")
    code, line = command(
        "--year-month=202401", f"--destination={archive}", STAC_API_URL="not a url", TEMP_DIR=temporary
    )
    assert code == ExitCode.BAD_PARAMETERS
    assert "Check STAC_API_URL" in line["message"]


@pytest.mark.parametrize("entry", [("-m", "worker"), ("worker/aws_batch_monthly.py",)])
def test_help(entry: tuple[str, ...]) -> None:
    """Every parameter is explained, under both names of the entry point, with exit code 0."""
    repository = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, *entry, "--help"],
        capture_output=True,
        text=True,
        cwd=repository,
        env={**os.environ, "PYTHONPATH": str(repository)},
    )
    assert ended.returncode == 0, ended.stderr
    for parameter in PARAMETERS:
        assert parameter.flag in ended.stdout
    assert "--destination" in ended.stdout
