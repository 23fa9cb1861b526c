"""Workers as processes, which tests interrupt and race."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from storage import Store
from worker.contract.job import RunParams
from worker.contract.layout import partition_key

LINES = 36
"""Lines that a run of a month of 31 days logs: its beginning, each day, three phases and its end."""


class WorkerProcess:
    """`python -m worker`, and the lines that it logs."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []

    def read(self, lines: int) -> bool:
        """Wait for so many lines more; false if it ended before."""
        assert self.process.stdout
        for _ in range(lines):
            line = self.process.stdout.readline()
            if not line:
                return False
            self.lines.append(json.loads(line) if line.startswith("{") else {"message": line})
        return True

    def wait(self) -> int:
        while self.read(1):
            pass
        return self.process.wait()

    @property
    def message(self) -> str:
        """With which it ended."""
        return str(self.lines[-1]["message"])


@contextmanager
def worker(
    params: RunParams,
    *,
    source: str,
    temp_dir: Path,
    prefix: tuple[str, ...] = (),
    environment: dict[str, str] | None = None,
) -> Iterator[WorkerProcess]:
    """A worker at work; `prefix` is a command that starts it. Killed at the end of the block if it still runs."""
    command = [*prefix, sys.executable, "-m", "worker", *params.to_argv()]
    settings = {"STAC_API_URL": source, "TEMP_DIR": str(temp_dir), **(environment or {})}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **settings}
    ) as process:
        try:
            yield WorkerProcess(process)
        finally:
            process.kill()


def published(store: Store, params: RunParams) -> pa.Table | None:
    """The partition of the run's month and dataset, read in one go; None where there is none."""
    key = partition_key(params.prefix, params.month)
    return pq.read_table(pa.BufferReader(store.get(key))) if store.head(key) else None
