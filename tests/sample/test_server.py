"""`python -m sample` as a process: its one line, its log, its end, and what it says of bad usage."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sample.__main__ import BAD_USAGE, NO_PORT, main
from sample.catalog import Catalog
from sample.faults import KINDS, Faults
from sample.log import read_log
from sample.server import running

REPOSITORY = Path(__file__).parents[2]
DAY = {"datetime": "2024-01-05T00:00:00Z/2024-01-05T23:59:59.999Z", "limit": "100"}


@contextlib.contextmanager
def started(*arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The server's address and process."""
    command = [sys.executable, "-m", "sample", *arguments]
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["url"], process
        finally:
            process.kill()


def test_process_serves_logs_and_ends(tmp_path: Path) -> None:
    """It says where it listens, serves what the same catalogue holds here, and ends on SIGTERM with code 0, even while
    a request hangs; its log file holds every request."""
    log = tmp_path / "requests.jsonl"
    arguments = (
        "--items-per-month",
        "310",
        "--seed",
        "5",
        "--fault",
        "500:at=1",
        "--fault",
        "hang:at=3",
        "--log",
        str(log),
    )
    with started(*arguments) as (url, process):
        with httpx.Client(base_url=url) as client:
            assert client.get("/search", params=DAY).status_code == 500
            page: dict[str, Any] = client.get("/search", params=DAY).json()
            with pytest.raises(httpx.ReadTimeout):
                client.get("/search", params=DAY, timeout=0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
    month = {item["id"]: item for item in Catalog.generated(items_per_month=310, seed=5).month("202401")}
    assert len(page["features"]) >= 10
    assert all(month.get(item["id"], item) == item for item in page["features"])
    assert [(record["status"], record["faults"]) for record in read_log(log)[:2]] == [(500, ["500"]), (200, [])]
    assert read_log(log)[1]["parameters"] == DAY


def test_faults_from_a_file_and_a_file_of_items(tmp_path: Path, catalog: Catalog) -> None:
    """A FeatureCollection is served as it is; faults may stand in a JSON file."""
    items = catalog.month("202401")[:3]
    collection, faults = tmp_path / "items.json", tmp_path / "faults.json"
    collection.write_text(json.dumps({"type": "FeatureCollection", "features": items}), encoding="utf-8")
    faults.write_text(json.dumps([{"kind": "no-count", "at": [1]}]), encoding="utf-8")
    with started("--file", str(collection), "--faults-file", str(faults)) as (url, _):
        assert "context" not in httpx.get(f"{url}/search").json()
        page = httpx.get(f"{url}/search").json()
        assert sorted(page["features"], key=lambda item: item["id"]) == sorted(items, key=lambda item: item["id"])


def test_a_server_that_hangs_can_be_stopped(catalog: Catalog) -> None:
    """Requests that hang do not hold it up."""
    with running(catalog, Faults(["hang"])) as server:
        asked = threading.Thread(target=lambda: httpx.get(f"{server.url}/search", params=DAY, timeout=9))
        asked.start()
        while not server.log.in_flight:
            time.sleep(0.01)
        began = time.monotonic()
    asked.join()
    assert time.monotonic() - began < 4


def test_port_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    """A message that names the port and says what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["--port", str(port)]) == NO_PORT
    message = capsys.readouterr().err
    assert f"127.0.0.1:{port}" in message
    assert "Choose another --port" in message


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--fault", "flood"], "there is no fault 'flood'"),
        (["--file", "/nowhere.json"], "No such file"),
        (["--file", str(REPOSITORY / "pyproject.toml")], "not a FeatureCollection"),
        (["--faults-file", str(REPOSITORY / "pyproject.toml")], "sample: "),
        (["--area=1,2,3"], "four numbers"),
    ],
)
def test_bad_usage(capsys: pytest.CaptureFixture[str], arguments: list[str], words: str) -> None:
    """Exit code 64 and one line."""
    assert main(arguments) == BAD_USAGE
    message = capsys.readouterr().err
    assert words in message
    assert message.count("\n") == 1


def test_help_names_every_fault(capsys: pytest.CaptureFixture[str]) -> None:
    """The help lists the kinds of faults with their options."""
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    for name, kind in KINDS.items():
        assert kind.help in text, name
