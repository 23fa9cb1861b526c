"""A store of each kind, and processes that use one at the same time."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from proxy import Wire, wire

from storage import Store, open_store
from storage.s3 import S3Store

if TYPE_CHECKING:
    from tests.conftest import S3Server

SCRIPT = Path(__file__).parent / "contender.py"


@pytest.fixture
def store(archive: str) -> Store:
    """An empty store: a test that asks for it runs on a directory and on S3."""
    return open_store(archive)


class Contender:
    """A process of its own with the store open, that does what it is told."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        assert self._line() == "ready"

    def tell(self, do: str, **order: Any) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"do": do, **order}) + "\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        answer = json.loads(self._line())
        assert isinstance(answer, dict)
        return answer

    def ask(self, do: str, **order: Any) -> dict[str, Any]:
        self.tell(do, **order)
        return self.answer()

    def _line(self) -> str:
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, "the contender ended: its fault stands in the captured output"
        return line.strip()


@pytest.fixture
def contenders() -> Iterator[Callable[[str, int], list[Contender]]]:
    """Start so many processes on the archive at this URI."""
    with ExitStack() as stack:

        def start(uri: str, count: int) -> list[Contender]:
            command = [sys.executable, str(SCRIPT), uri]
            processes = [
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
                for _ in range(count)
            ]
            for process in processes:
                stack.enter_context(process)
                stack.callback(process.kill)
            return [Contender(process) for process in processes]

        yield start


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"ours" * 50_000)
    return path


@pytest.fixture
def bucket(s3_root: str) -> S3Store:
    store = open_store(s3_root)
    assert isinstance(store, S3Store)
    return store


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that would have been waited between attempts; nobody waits."""
    seconds: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time.sleep", seconds.append)
    return seconds


@pytest.fixture
def line(bucket: S3Store, s3_server: "S3Server") -> Iterator[Wire]:
    """A wire to the S3 server."""
    parts = urlsplit(s3_server.endpoint)
    with wire((str(parts.hostname), int(parts.port or 0))) as opened:
        yield opened


@pytest.fixture
def over_wire(bucket: S3Store, line: Wire, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    """The bucket, reached over the wire."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{line.address[0]}:{line.address[1]}")
    store = open_store(bucket.uri)
    assert isinstance(store, S3Store)
    return store
