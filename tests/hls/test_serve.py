"""`hls serve` is the service itself."""

import json
import subprocess
import sys
from pathlib import Path

import httpx

from hls.client import Client
from hls.faults import ExitCode
from sample.server import Running

SERVE = (sys.executable, "-m", "hls", "serve", "--port", "0")


def test_it_serves_until_it_is_ended(environment: dict[str, str], source: Running, tmp_path: Path) -> None:
    """From the source, at the port and in the folder that it was told; SIGTERM ends it well."""
    folder = tmp_path / "kept"
    command = [*SERVE, "--source", source.url, "--data-dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=tmp_path) as process:
        assert process.stdout
        url = next(json.loads(line)["url"] for line in process.stdout if '"url"' in line)
        assert httpx.get(f"{url}/healthz").status_code == 200
        with Client(url) as client:
            asked = client.submit("201602", prefix="kept", collections=["HLSL30_2.0"])
            *_, job = client.watch(asked["id"], every=0.1)
            assert (job["status"], client.partitions()["totals"]["items"] > 0) == ("succeeded", True)
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 0
    assert (folder / "archive/kept/year=2016/month=02/data.parquet").exists()


def test_it_says_why_it_does_not_start(environment: dict[str, str], tmp_path: Path) -> None:
    """Open to the network and without a key it refuses to start, with the code that stands for that."""
    ended = subprocess.run(
        SERVE, env={**environment, "HLS_HOST": "::"}, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, "HLS_API_KEY" in ended.stderr) == (ExitCode.BAD_CONFIG, True), ended
