"""The service as a process: it starts, refuses to, and stops."""

import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from api import logs
from api.__main__ import REFUSED, main


@contextmanager
def service(tmp_path: Path, *arguments: str, **variables: str) -> Iterator["subprocess.Popen[str]"]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HLS_")}
    environment |= {"HLS_DATA_DIR": str(tmp_path / "data"), "HLS_PORT": "0", **variables}
    process = subprocess.Popen(
        [sys.executable, "-m", *(arguments or ("api",))],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that must not start; gives what it says."""

    def refused(command: str = "serve", **variables: str) -> str:
        for name in [name for name in os.environ if name.startswith("HLS_")]:
            monkeypatch.delenv(name)
        for name, value in {"HLS_DATA_DIR": str(tmp_path / "data"), "HLS_PORT": "0", **variables}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(logs, "configure", lambda _level: None)  # the handlers of this process are pytest's
        assert main([command]) == REFUSED
        return capsys.readouterr().err

    return refused


def test_it_waits_for_nothing_that_it_may_not_need() -> None:
    """What takes a tenth of a second and more to import comes with its first use: with a migration that is due, a file
    to count, a chart to draw, PostgreSQL, or S3."""
    program = "import sys, api.__main__, api.app; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert {"alembic", "boto3", "botocore", "duckdb", "numpy", "psycopg", "pyarrow", "pygal"}.isdisjoint(
        done.stdout.split()
    )


def announced(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    line: dict[str, Any] = json.loads(process.stdout.readline())
    return str(line["url"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_and_stops(tmp_path: Path, number: signal.Signals) -> None:
    """From another directory, on a free port that it names; it ends with 0 when told, without a traceback."""
    with service(tmp_path) as process:
        url = announced(process)
        with httpx.Client(base_url=url, trust_env=False, verify=False) as client:  # noqa: S501  no TLS here, whose preparation takes a while
            while not client.get("/healthz").is_success:
                time.sleep(0.02)
            while client.get("/readyz").json()["lastPass"] is None:
                time.sleep(0.02)
            assert client.get("/readyz").json()["ready"]
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    lines = [json.loads(line) for line in errors.splitlines()]
    assert {"request", "start", "stop"} <= {line.get("action") for line in lines}


def test_connections(tmp_path: Path) -> None:
    """An idle one is kept past the 5 seconds that are uvicorn's default, so that a load balancer may send another request;
    and no reply waits for its own acknowledgement: head and body are two packets, and by TCP's default the second waits
    until the caller, in 40 ms, confirms the first."""
    with service(tmp_path) as process:
        url = announced(process)
        host, _, port = url.removeprefix("http://").partition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=30)
        connection.request("GET", "/healthz")
        assert connection.getresponse().read()
        kept, since = connection.sock, time.monotonic()
        taken = []
        with httpx.Client(base_url=url, trust_env=False, verify=False) as client:  # noqa: S501  the same
            for _ in range(50):
                began = time.perf_counter()
                assert client.get("/healthz").is_success
                taken.append(time.perf_counter() - began)
        assert sorted(taken[20:])[5] < 0.03  # a new connection is confirmed at once for a while
        time.sleep(max(0, since + 5.5 - time.monotonic()))
        connection.request("GET", "/healthz")
        assert connection.getresponse().read()
        assert connection.sock is kept, "it was closed and opened anew"
        connection.close()


def test_a_port_in_use(refusal: Callable[..., str]) -> None:
    """The message names the port and the setting."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"Cannot listen on 127.0.0.1 port {port}" in refusal(HLS_PORT=port)


def test_a_refusal_is_a_message_and_an_exit_code(tmp_path: Path) -> None:
    """As a process: 78, one message, no traceback."""
    with service(tmp_path, HLS_PORT="x") as process:
        _, told = process.communicate(timeout=60)
    assert process.returncode == REFUSED
    assert "HLS_PORT" in told
    assert "Traceback" not in told


def test_a_data_directory_that_cannot_be_written(tmp_path: Path, refusal: Callable[..., str]) -> None:
    """The message names the directory and the setting."""
    (tmp_path / "file").write_text("")
    told = refusal(HLS_DATA_DIR=str(tmp_path / "file" / "data"))
    assert "cannot be written" in told
    assert "HLS_DATA_DIR" in told


def test_a_world_without_a_key(refusal: Callable[..., str]) -> None:
    """Bound to every address without a key, it does not start."""
    assert "set HLS_API_KEY" in refusal(HLS_HOST="0.0.0.0")  # noqa: S104  nothing is bound


def test_a_database_of_a_newer_migration(tmp_path: Path, refusal: Callable[..., str]) -> None:
    """Neither the service nor its migration touches it."""
    (tmp_path / "data").mkdir()
    with sqlite3.connect(tmp_path / "data" / "hls.sqlite") as connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        connection.execute("INSERT INTO alembic_version VALUES ('9999')")
    connection.close()
    for command in ("serve", "migrate"):
        assert "a newer release migrated it" in refusal(command)


def test_a_database_that_is_not_there(refusal: Callable[..., str]) -> None:
    """The message says that it does not answer and names the setting, without the password."""
    told = refusal(HLS_DATABASE_URL="postgresql://u:hidden@127.0.0.1:1/n")
    assert "HLS_DATABASE_URL" in told
    assert "hidden" not in told


def test_migrating_and_reconciling_by_command(tmp_path: Path) -> None:
    """`migrate` makes the schema and ends; the reconciler of its own marks its passes and ends when told."""
    with service(tmp_path, "api", "migrate") as process:
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "a schema that this release works with" in output
    with service(tmp_path, "api.reconciler", HLS_RECONCILE_SECONDS="0.05") as process:
        with sqlite3.connect(tmp_path / "data" / "hls.sqlite", timeout=10) as connection:
            while not connection.execute("SELECT at FROM service_marks").fetchone():
                assert process.poll() is None
                time.sleep(0.05)
        connection.close()
        process.terminate()
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
