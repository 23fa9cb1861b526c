"""The real processes: the service with its workers, on a free port and a directory of its own."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from lives import Lives, launching

from hls.client import Client
from hls.processes import server

Opener = Callable[[str], AbstractContextManager[Client]]


@pytest.fixture(scope="session")
def lives() -> Iterator[Lives]:
    """Starts processes of the service that begin at once."""
    with launching() as lives:
        yield lives


@pytest.fixture
def open_service(tmp_path: Path) -> Opener:
    """Starts the service against a source; its data directory is `tmp_path / "service"`."""

    @contextmanager
    def opened(source: str) -> Iterator[Client]:
        environment = {
            "HLS_DATA_DIR": str(tmp_path / "service"),
            "HLS_PORT": "0",
            "HLS_RECONCILE_SECONDS": "0.1",
            "HLS_PROGRESS_SECONDS": "0.1",
            "STAC_API_URL": source,
            "TEMP_DIR": str(tmp_path / "temporary"),
        }
        with server("api", log=tmp_path / "service.log", environment=environment) as url, Client(url) as client:
            deadline = time.monotonic() + 30
            while not client.ready():
                assert time.monotonic() < deadline, (tmp_path / "service.log").read_text()
                time.sleep(0.05)
            yield client

    return opened
