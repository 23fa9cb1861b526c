"""Runs a command and measures it: wall time, CPU time and memory of the whole tree of its processes."""

import os
import resource
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

_SAMPLE_EVERY = 0.05
_LOOK_FOR_CHILDREN_EVERY = 20  # samples: it costs a look at every process of the machine


@dataclass(frozen=True)
class Usage:
    """Seconds of wall and of CPU (user and system, with all descendants that were waited for), peak MiB resident."""

    wall_s: float
    cpu_s: float
    peak_rss_mib: float

    def figures(self, items: int) -> dict[str, float]:
        """The figures that the benchmarks compare."""
        return {
            "items_per_s": items / self.wall_s,
            "cpu_s_per_100k": self.cpu_s / items * 100_000,
            "peak_rss_mib": self.peak_rss_mib,
            "wall_s": self.wall_s,
            "cpu_s": self.cpu_s,
        }


class CommandFailed(Exception):
    """A command that is measured ended with an error; its output is in the message."""


def run(command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None) -> Usage:
    """Run to the end; output goes to `log`.

    The peak is the sum of the resident sets, sampled twenty times a second, and at least what the kernel states as the
    largest of a single process, where that can be told from this process's own.

    Raises:
        CommandFailed: it did not end with 0.
    """
    with log.open("wb") as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=_environment(environment)
        )
        try:
            with _Watch(process.pid) as watch:
                _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        tail = log.read_text(encoding="utf-8", errors="replace")[-2000:]
        raise CommandFailed(f"{' '.join(command)} ended with {process.returncode}:\n{tail}")
    return Usage(wall, used.ru_utime + used.ru_stime, max(watch.peak, _stated_peak(used)) / 2**20)


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used so far, user and system."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def _stated_peak(used: resource.struct_rusage) -> int:
    """What the kernel states, in bytes; 0 where it is no more than this process's own peak, which a process that it
    starts takes over until it begins its program."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used.ru_maxrss * 1024 if used.ru_maxrss > own else 0


def _environment(added: Mapping[str, str] | None) -> dict[str, str]:
    return {**os.environ, **(added or {})}


class _Watch:
    """Samples the resident memory of a tree of processes in a thread, until the block ends."""

    def __init__(self, pid: int) -> None:
        self.peak = 0
        self._root = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="memory")

    def __enter__(self) -> "_Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        family: list[psutil.Process] = []
        count = 0
        while True:
            if count % _LOOK_FOR_CHILDREN_EVERY == 0:
                family = _family(self._root)
            count += 1
            self.peak = max(self.peak, sum(_resident(process) for process in family))
            if self._over.wait(_SAMPLE_EVERY):
                return


def _family(pid: int) -> list[psutil.Process]:
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return 0
