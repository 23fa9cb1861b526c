"""The images by themselves: what is in them, who runs them, how they begin and end."""

import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sample.server import Running
from tests.containers.conftest import API, KEY, WORKER, Chain, Engine, answers, free_port, until
from worker.contract.exits import ExitCode

if TYPE_CHECKING:
    from tests.conftest import S3Server

REPOSITORY = Path(__file__).parents[2]
MEGABYTE = 10**6


def dockerfile(image: str) -> str:
    return (REPOSITORY / f"Dockerfile.{image.removeprefix('hls-')}").read_text()


@pytest.mark.parametrize("image", [WORKER, API])
def test_what_is_in_an_image(engine: Engine, image: str) -> None:
    """It adds less than 300 MB to its base, runs as nobody in particular, and is stopped by SIGTERM."""
    built = engine.client.images.get(image).attrs
    match = re.search(r"^ARG PYTHON=(\S+)$", dockerfile(image), re.MULTILINE)
    assert match
    base = engine.client.images.get(match[1]).attrs
    assert built["Size"] - base["Size"] < 300 * MEGABYTE
    assert built["Config"]["User"] == "10001:10001"
    assert built["Config"]["StopSignal"] == "SIGTERM"


def test_each_image_holds_its_own_side(engine: Engine) -> None:
    """The service's image has the contract and nothing else of the worker; the worker's has nothing of the service."""
    look = "import importlib.util as u; print(*(bool(u.find_spec(m)) for m in ('api', 'worker', 'sample', 'duckdb')))"
    for image, expected in ((WORKER, "False True False False"), (API, "True True False True")):
        said = engine.client.containers.run(image, ["-c", look], entrypoint="python", remove=True)
        assert said.decode().strip() == expected
    look = "import pkgutil, worker; print(*(m.name for m in pkgutil.iter_modules(worker.__path__)))"
    said = engine.client.containers.run(API, ["-c", look], entrypoint="python", remove=True)
    assert said.decode().strip() == "contract"


def test_the_worker_refuses(engine: Engine) -> None:
    """The worker is the entry point: bad parameters end it with 64 and a word."""
    code, said = engine.run(WORKER, "--year-month=202413", "--s3-bucket=somewhere")
    assert code == ExitCode.BAD_PARAMETERS
    assert "202413" in json.loads(said)["message"]


def test_the_worker_is_stopped(engine: Engine, source: Running, s3_server: "S3Server") -> None:
    """SIGTERM reaches the worker, which stops in order with 75."""
    source.log.clear()
    source.faults.replace(["503:on=search"])
    given = s3_server.environment | {"STAC_API_URL": source.url}
    command = ("--year-month=202401", f"--s3-bucket={s3_server.make_bucket()}")
    with engine.running(WORKER, *command, **given) as container:
        until(source.log.searches)
        container.stop(timeout=25)
        assert container.wait()["StatusCode"] == ExitCode.INTERRUPTED
    source.faults.replace([])


def test_the_service_refuses_to_start(engine: Engine) -> None:
    """Open to everybody without a key, or without a bucket for Batch, it says what to set."""
    code, said = engine.run(API)
    assert code == 78
    assert "HLS_API_KEY" in said
    code, said = engine.run(API, HLS_API_KEY=KEY)
    assert code == 78
    assert "set HLS_ARCHIVE to s3://BUCKET" in said


@pytest.mark.parametrize("command", ["serve", "reconcile"])
def test_the_service_is_stopped(engine: Engine, aws: dict[str, str], command: str) -> None:
    """SIGTERM ends it in order and at once."""
    port = free_port()
    settings = aws | {
        "HLS_API_KEY": KEY,
        "HLS_ARCHIVE": "s3://somewhere",
        "HLS_DATA_DIR": "/tmp",  # noqa: S108  the image's
        "HLS_PORT": str(port),
    }
    with engine.running(API, command, **settings) as container:
        if command == "serve":
            until(lambda: answers(f"http://127.0.0.1:{port}/healthz"))
        else:
            until(lambda: '"starts"' in container.logs().decode())
        began = time.monotonic()
        container.stop(timeout=30)
        assert container.wait()["StatusCode"] == 0
        assert time.monotonic() - began < 20


def test_the_health_check(chain: Chain) -> None:
    """The command of the image's health check finds the service well."""
    match = re.search(r"^HEALTHCHECK .* CMD (\[.*\])$", dockerfile(API), re.MULTILINE)
    assert match
    assert chain.service.exec_run(json.loads(match[1])).exit_code == 0
