"""Fixtures that the whole tree of tests shares."""

import gc
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from hypothesis import HealthCheck, settings
from lives import Lives, launching

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Machines differ in speed and are shared: slowness is not what these tests are about.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")

REPOSITORY = Path(__file__).parent.parent

# Each session of botocore's reads the services' descriptions anew, a tenth of a second for S3; these make hundreds.
botocore.session.create_loader = cache(botocore.session.create_loader)

_JOURNEYS = (
    "benchmarks",
    "hls",
    "infra",
    "api/test_many_clients.py",
    "e2e/test_batch_chain.py",
    "e2e/test_demo.py",
    "e2e/test_first_start.py",
    "e2e/test_real_items.py",
    "test_snippets.py",
)
"""The product as people meet it, whole: how to start, README and docs, the command line, the deployment, many callers."""

gc.disable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Half as many again as there are processors: tests wait for time to pass, and for processes of their own."""
    return (os.cpu_count() or 1) * 3 // 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        place = item.path.relative_to(REPOSITORY / "tests")
        if any(place.is_relative_to(journey) for journey in _JOURNEYS):
            item.add_marker(pytest.mark.journey)


def pytest_collection_finish() -> None:
    """Spare the garbage collector what collecting has imported: to look through it took an eighth of all the time."""
    gc.freeze()
    gc.enable()


S3_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test-key",
    "AWS_SECRET_ACCESS_KEY": "test-secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,  # what the developer has configured is none of the tests' business
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}

_READER = {"AWS_ACCESS_KEY_ID": "reader-key", "AWS_SECRET_ACCESS_KEY": "reader-secret"}

_WEED_PORTS = tuple(
    f"{part}.port{kind}" for part in ("master", "volume", "filer", "s3", "admin") for kind in ("", ".grpc")
)
_WEED_SWITCHES = (
    "-webdav=false",
    "-admin.ui=false",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    "-s3.autoCreateBucket=false",
    "-master.telemetry=false",
)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real CMR-STAC payloads, kept beside the checkout and not in it."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        message = "the real CMR-STAC payloads (../shared/data) are not on this machine"
        if os.environ.get("REQUIRE_SHARED_DATA"):
            pytest.fail(message)
        pytest.skip(message)
    return folder


@pytest.fixture(scope="session")
def lives() -> Iterator[Lives]:
    """Starts processes of the service that begin at once."""
    with launching() as lives:
        yield lives


@dataclass(frozen=True)
class S3Server:
    """A running S3 server with two identities: those of `environment` and of `reader`."""

    endpoint: str

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to use the server."""
        return {**S3_ENVIRONMENT, "AWS_ENDPOINT_URL": self.endpoint}

    @property
    def reader(self) -> dict[str, str]:
        """Over `environment`: credentials that may read every bucket and write nothing."""
        return _READER

    def make_bucket(self) -> str:
        """Make an empty bucket; returns its name."""
        bucket = f"test-{uuid.uuid4().hex[:12]}"
        self.client.create_bucket(Bucket=bucket)
        return bucket

    def remove_bucket(self, bucket: str) -> None:
        """Remove it with what is in it: each holds volumes, of which the server has a few dozen."""
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for stat in page.get("Contents", []):
                self.client.delete_object(Bucket=bucket, Key=stat["Key"])
        self.client.delete_bucket(Bucket=bucket)

    @cached_property
    def client(self) -> "S3Client":
        """A plain client, for what a test wants to see or do beside the product."""
        return boto3.Session().client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=S3_ENVIRONMENT["AWS_DEFAULT_REGION"],
            aws_access_key_id=S3_ENVIRONMENT["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=S3_ENVIRONMENT["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"total_max_attempts": 1}),
        )


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """SeaweedFS in one process on 127.0.0.1, one for each process of the test run."""
    with ExitStack() as stack:
        for attempt in range(3):  # a free port may be taken by another process before the server binds it
            server = _start_s3(tmp_path_factory.mktemp("s3"), stack, seconds=60)
            if server is not None:
                yield server
                return
            assert attempt < 2, "the S3 server ended by itself three times"


@pytest.fixture
def s3_root(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The root URI of an empty bucket; the environment leads every client and subprocess to it."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    bucket = s3_server.make_bucket()
    yield f"s3://{bucket}"
    s3_server.remove_bucket(bucket)


@pytest.fixture(params=["directory", "s3"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The root URI of an empty archive: a test that asks for it runs on a directory and on S3."""
    if request.param == "s3":
        return str(request.getfixturevalue("s3_root"))
    return (tmp_path / "archive").as_uri()


def _start_s3(folder: Path, stack: ExitStack, *, seconds: float) -> S3Server | None:
    """Start the server; None if it ended, for instance because a port was taken."""
    weed = shutil.which("weed", path=Path(sys.executable).parent)
    assert weed, "weed is missing: install the dependency group `test`"
    identities = [_identity("test", S3_ENVIRONMENT, "Admin"), _identity("reader", _READER, "Read", "List")]
    configuration = folder / "identities.json"
    configuration.write_text(json.dumps({"identities": identities}))
    (folder / "data").mkdir()
    ports = dict(zip(_WEED_PORTS, _free_ports(len(_WEED_PORTS)), strict=True))
    log = stack.enter_context((folder / "log").open("wb"))
    process = subprocess.Popen(
        [
            weed,
            "mini",
            f"-dir={folder / 'data'}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            *(f"-{name}={port}" for name, port in ports.items()),
            *_WEED_SWITCHES,
            f"-s3.config={configuration}",
            f"-s3.localSocket={folder / 's3.sock'}",
            f"-filer.localSocket={folder / 'filer.sock'}",
        ],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd=folder,
    )
    stack.callback(_stop, process, ports)
    server = S3Server(f"http://127.0.0.1:{ports['s3.port']}")
    stack.callback(server.client.close)
    give_up = time.monotonic() + seconds
    while process.poll() is None:
        with suppress(BotoCoreError, ClientError):
            # It answers for buckets a moment before it has a volume for objects.
            server.client.put_object(Bucket=server.make_bucket(), Key="first", Body=b"x")
            return server
        assert time.monotonic() < give_up, f"the S3 server did not answer: {(folder / 'log').read_text()[-2000:]}"
        time.sleep(0.05)
    return None


def _identity(name: str, environment: dict[str, str], *actions: str) -> dict[str, object]:
    keys = {"accessKey": environment["AWS_ACCESS_KEY_ID"], "secretKey": environment["AWS_SECRET_ACCESS_KEY"]}
    return {"name": name, "credentials": [keys], "actions": actions}


def _stop(process: subprocess.Popen[bytes], ports: dict[str, int]) -> None:
    process.kill()  # its data is thrown away, so nothing is worth the seconds of an orderly end
    process.wait()
    for port in ports.values():
        for left_over in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # noqa: S108  where the server puts them
            left_over.unlink(missing_ok=True)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
