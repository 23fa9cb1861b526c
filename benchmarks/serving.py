"""Starts the replayed STAC API in a process of its own and says what it cost."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.request import urlopen

from benchmarks.measure import cpu_seconds
from benchmarks.prepare import Prepared


@dataclass(frozen=True)
class Replay:
    """A running replay."""

    url: str
    pid: int

    def counters(self) -> dict[str, Any]:
        """What `benchmarks.traffic.Traffic.counters` gives."""
        with urlopen(f"{self.url}/counters", timeout=10) as answer:  # noqa: S310  an http address that we made
            counters: dict[str, Any] = json.load(answer)
        return counters

    def cpu_s(self) -> float:
        """CPU time of the server so far."""
        return cpu_seconds(self.pid)


@contextlib.contextmanager
def replaying(
    month: Prepared,
    *,
    page_size: int = 250,
    latency: float = 0,
    in_flight: int | None = None,
    outage: tuple[float, float] | None = None,
) -> Iterator[Replay]:
    """Serve the month until the block ends; see `python -m benchmarks.replay --help`."""
    command = [sys.executable, "-m", "benchmarks.replay", str(month.folder), f"--copies={month.copies}"]
    command += [f"--page-size={page_size}", f"--latency={latency}"]
    command += [f"--in-flight={in_flight}"] if in_flight else []
    command += ["--outage", *map(str, outage)] if outage else []
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, "the replayed API ended at once"
        yield Replay(json.loads(line)["url"], process.pid)
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()
