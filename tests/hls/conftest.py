"""The real service in processes of its own, and `hls` beside it."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hls import cli
from hls.client import Client
from hls.processes import server
from sample.catalog import Catalog
from sample.server import Running, running
from worker.contract.bbox import BBox

CALIFORNIA = BBox(-124.7, 32.5, -114.1, 42.0)
KEY = "the key of the operator"


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str


Hls = Callable[..., Ended]


@pytest.fixture(scope="session")
def source() -> Iterator[Running]:
    """A small generated catalogue as a STAC API; a test that spoils it mends it."""
    with running(Catalog.generated(items_per_month=150, area=CALIFORNIA)) as api:
        yield api


@pytest.fixture(scope="session")
def service_url(tmp_path_factory: pytest.TempPathFactory, source: Running) -> Iterator[str]:
    """The service on SQLite and a directory, with local workers; nobody needs a key."""
    folder = tmp_path_factory.mktemp("service")
    environment = {
        "HLS_DATA_DIR": str(folder / "data"),
        "HLS_PORT": "0",
        "HLS_RECONCILE_SECONDS": "0.2",
        "HLS_PROGRESS_SECONDS": "0.2",
        "STAC_API_URL": source.url,
        "RETRY_WAIT_MAX": "0.1",
        "TEMP_DIR": str(folder / "temporary"),
    }
    with server("api", log=folder / "log", environment=environment) as url, Client(url) as client:
        _until_ready(client)
        yield url


@pytest.fixture(scope="session")
def locked_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service that asks for a key, with few requests a minute; it takes jobs and runs none: they wait, or are cancelled
    at once."""
    folder = tmp_path_factory.mktemp("locked")
    environment = {
        "HLS_DATA_DIR": str(folder / "data"),
        "HLS_PORT": "0",
        "HLS_API_KEY": KEY,
        "HLS_RECONCILE": "false",
        "HLS_REQUESTS_PER_MINUTE": "60",
    }
    with server("api", log=folder / "log", environment=environment) as url, Client(url) as client:
        _until_ready(client)
        yield url


@pytest.fixture
def environment(service_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment that leads `hls` to the service, here and in subprocesses; no configuration of the developer's."""
    for name in ("HLS_KEY", "FORCE_COLOR", "CLICOLOR_FORCE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    chosen = {"HLS_URL": service_url, "HLS_CONFIG": str(tmp_path / "none.toml"), "TERM": "xterm-256color"}
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    return {**os.environ, **chosen}


@pytest.fixture
def spoilt(source: Running) -> Iterator[Running]:
    """The source, which is well again after the test."""
    yield source
    source.faults.replace([])


@pytest.fixture
def operator(environment: dict[str, str], locked_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`hls` calls the service that asks for a key, as its operator."""
    monkeypatch.setenv("HLS_URL", locked_url)
    monkeypatch.setenv("HLS_KEY", KEY)


@pytest.fixture
def hls(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ended]:
    """Runs `hls` with the arguments, in this process and off a terminal."""

    def run(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["hls", *arguments])
        try:
            cli.main()
        except SystemExit as end:
            code: Any = end.code
        else:
            code = 0
        written = capsys.readouterr()
        return Ended(int(code or 0), written.out, written.err)

    return run


@pytest.fixture
def client(service_url: str) -> Iterator[Client]:
    with Client(service_url) as opened:
        yield opened


def _until_ready(client: Client) -> None:
    deadline = time.monotonic() + 60
    while not client.ready():
        assert time.monotonic() < deadline, "the service does not become ready"
        time.sleep(0.05)
