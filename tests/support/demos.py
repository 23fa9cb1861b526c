"""The demo as a process that stays, as a reader of README has it."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Demo:
    """A demo that has told its story and stays."""

    process: "subprocess.Popen[bytes]"
    url: str
    said: str


@contextmanager
def staying(folder: Path, *arguments: str, **environment: str) -> Iterator[Demo]:
    """`hls demo --stay` in a folder."""
    said = folder / "said"
    with said.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "hls", "demo", "--stay", *arguments],
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
        )
    try:
        while not (stays := re.search(r"The service stays at (http://\S+),", said.read_text())):
            assert process.poll() is None, said.read_text()
            time.sleep(0.1)
        yield Demo(process, stays[1], said.read_text())
    finally:
        process.terminate()
        process.wait(30)
