"""The real processes: STAC APIs, the service with its workers, on free ports, each on a directory of its own."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import pytest

from hls.client import Client
from hls.processes import server

Opener = Callable[[str], AbstractContextManager[Client]]


@contextmanager
def rustac_serving(*files: Path, log: Path) -> Iterator[str]:
    """A STAC API that nobody here wrote."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [str(Path(sys.executable).with_name("rustac")), "serve", "--addr", address, "--create-collections"]
    with log.open("w") as output:
        process = subprocess.Popen([*command, *map(str, files)], stdout=output, stderr=subprocess.STDOUT)
        try:
            _wait(f"http://{address}/", process, log)
            yield f"http://{address}"
        finally:
            process.terminate()
            process.wait(10)


def _wait(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise RuntimeError(f"{url} does not answer: {log.read_text()[-1000:]}")


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
