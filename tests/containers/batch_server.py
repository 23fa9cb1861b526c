"""`python batch_server.py --port PORT`: moto's server, whose Batch gives containers what they ask for.

moto runs a job's image with its command and environment, but leaves out its size and that its root is read-only.
"""

from typing import Any

from docker.models.containers import Container, ContainerCollection
from moto.server import main

from worker.contract import compute

_run = ContainerCollection.run


def _sized(self: ContainerCollection, *arguments: Any, **options: Any) -> Container:
    size = {"mem_limit": f"{compute.MEMORY_MIB}m", "nano_cpus": compute.VCPU * 10**9}
    return _run(self, *arguments, **options, **size, read_only=True, tmpfs={"/tmp": ""})  # noqa: S108  the image's


ContainerCollection.run = _sized

if __name__ == "__main__":
    main()
