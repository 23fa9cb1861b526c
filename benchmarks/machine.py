"""What a figure depends on: machine, load, versions."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psutil

from benchmarks.report import Table

_PACKAGES = ("pyarrow", "duckdb", "numpy", "pysimdjson", "pystac-client", "rustac", "stac-geoparquet")


def describe() -> dict[str, Any]:
    """Python, packages, cores, memory in GiB and the load average at this moment."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def print_description(machine: dict[str, Any]) -> None:
    """Print what `describe` gives."""
    table = Table("machine", "")
    for name, value in machine.items():
        table.add(name, ", ".join(f"{a} {b}" for a, b in value.items()) if isinstance(value, dict) else value)
    table.print()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
