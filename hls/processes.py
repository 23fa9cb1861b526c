"""Starts the product's servers for a while, and stops them again."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_START_SECONDS = 60
_STOP_SECONDS = 10


@contextmanager
def server(module: str, *arguments: str, log: Path, environment: dict[str, str] | None = None) -> Iterator[str]:
    """Run `python -m module`, which prints a line of JSON with its `url` when it listens; gives the URL.

    Raises:
        RuntimeError: it ended, or did not listen in time; the message ends with what it printed.
    """
    command = [sys.executable, "-m", module, *arguments]
    with log.open("w+") as output, _running(command, output, environment) as process:
        yield _url(module, process, log)


@contextmanager
def _running(
    command: Sequence[str], output: IO[str], environment: dict[str, str] | None
) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(  # noqa: S603  our own modules, by our own interpreter
        command,
        stdout=output,
        stderr=subprocess.STDOUT,
        env={**os.environ, **(environment or {})},
        start_new_session=True,  # a terminal's Ctrl-C is for whoever started it, who may want to ask it something still
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _url(module: str, process: "subprocess.Popen[bytes]", log: Path) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        for line in log.read_text().splitlines():
            if line.startswith("{") and "url" in (entry := json.loads(line)):
                return str(entry["url"])
        time.sleep(0.05)
    raise RuntimeError(f"{module} did not start; it printed:\n{log.read_text()[-2000:]}")
