"""The demo as a process that stays, as a reader of README has it, and what must hold until its end."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from hls.client import Client


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


def check_words(demo: Demo) -> str:
    """Its closing words lead to its own addresses, whatever its port; the address of its source."""
    assert {f"{demo.url}/", f"{demo.url}/docs", f"HLS_URL={demo.url}"} <= set(demo.said.split())
    assert ":8000" not in demo.said
    source = re.search(r"as a STAC API at (http://\S+)", demo.said)
    assert source
    for url in (demo.url, source[1]):
        assert httpx.get(url).status_code == 200
    return source[1]


def check_end(demo: Demo, source: str) -> None:
    """Ended by SIGTERM, as by a supervisor, it stops both of its servers and the worker, whose source they were."""
    with Client(demo.url) as client:
        job_id = client.submit("202307")["id"]
        next(job for job in client.watch(job_id, every=0.1) if job["status"] == "running")
    demo.process.terminate()
    assert demo.process.wait(30) == 128 + signal.SIGTERM
    for url in (demo.url, source):
        with pytest.raises(httpx.ConnectError):
            httpx.get(url)
    assert [process for process in psutil.process_iter(["cmdline"]) if job_id in str(process.info["cmdline"])] == []
