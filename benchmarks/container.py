"""The worker's image under a hard limit of processors and memory, where there is a container engine."""

import time
import uuid
from pathlib import Path
from typing import Any

import docker
import docker.errors
import pyarrow.parquet as pq

from benchmarks.contenders import ours
from benchmarks.prepare import MONTH
from worker.contract.compute import MEMORY_MIB, VCPU

IMAGE = "hls-worker"
_INSIDE = "/archive"
_PERIOD = 100_000


class NoEngine(Exception):
    """There is no container engine, or it has no image of the worker."""


def harvest_in_container(url: str, folder: Path) -> dict[str, Any]:
    """Harvest the month into the folder as Batch would run it; wall seconds, peak MiB, exit code, items.

    Raises:
        NoEngine: there is none here, or no image.
    """
    try:
        client = docker.from_env()
        client.images.get(IMAGE)
    except docker.errors.ImageNotFound:
        raise NoEngine(f"there is an engine, but no image {IMAGE}: run `make images` first") from None
    except docker.errors.DockerException as error:
        raise NoEngine(f"no container engine answers here: {str(error)[:200]}") from None
    folder.chmod(0o777)  # the worker is another user in its container
    container = client.containers.run(
        IMAGE,
        [
            *("--year-month", MONTH, "--parallel", "--job-id", f"benchmark-{uuid.uuid4().hex[:8]}"),
            "--destination",
            f"file://{_INSIDE}",
        ],
        detach=True,
        environment={"STAC_API_URL": url, "TEMP_DIR": f"{_INSIDE}/temporary"},
        network_mode="host",
        volumes={str(folder): {"bind": _INSIDE, "mode": "rw"}},
        cpu_period=_PERIOD,
        cpu_quota=VCPU * _PERIOD,
        mem_limit=MEMORY_MIB * 2**20,
        memswap_limit=MEMORY_MIB * 2**20,
    )
    try:
        return _watched(container, folder)
    finally:
        container.remove(force=True)


def _watched(container: Any, folder: Path) -> dict[str, Any]:
    began = time.perf_counter()
    peak = 0
    while container.status in ("created", "running"):
        time.sleep(0.5)
        container.reload()
        if container.status == "running":
            peak = max(peak, container.stats(stream=False).get("memory_stats", {}).get("usage", 0))
    wall = time.perf_counter() - began
    state = container.attrs["State"]
    ended = {"wall_s": wall, "peak_memory_mib": peak / 2**20, "exit_code": state["ExitCode"], "oom": state["OOMKilled"]}
    if state["ExitCode"]:
        print(container.logs(tail=20).decode(errors="replace"))
        return ended
    file = ours().file
    assert file is not None
    return ended | {"items": pq.read_metadata(folder / file.relative_to("archive")).num_rows}
