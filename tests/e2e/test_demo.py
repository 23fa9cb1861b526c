"""The demo is the first thing that anyone sees."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest
from demos import staying

from hls.client import Client

REPOSITORY = Path(__file__).parent.parent.parent
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def behind_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that reaches the world by a proxy, which knows nothing of this machine's own ports."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, NOBODY)
        monkeypatch.setenv(name.lower(), NOBODY)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)


@pytest.mark.usefixtures("behind_a_proxy")
def test_the_demo_from_end_to_end(tmp_path: Path) -> None:
    """It harvests a month in a box over HTTP, and DuckDB counts in the file what the service's statistics say."""
    ended = subprocess.run(
        [sys.executable, "-m", "hls", "demo"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    stated = re.search(r"items +│ (\d+) of (\d+) that the source counts", ended.stdout)
    counted = re.findall(r"│ HLS[LS]30_2\.0 │ +(\d+) │", ended.stdout)
    assert stated is not None
    assert int(stated[1]) == int(stated[2]) == sum(map(int, counted)) > 100
    assert "make serve STAC_API_URL=https://cmr.earthdata.nasa.gov/stac/LPCLOUD" in ended.stdout


def test_it_stays_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """Its closing words lead to its own addresses, whatever its port. Ended by SIGTERM, as by a supervisor, it stops
    both of its servers and the worker, whose source they were."""
    with staying(tmp_path, "--items", "3000") as demo:
        assert {f"{demo.url}/", f"{demo.url}/docs", f"HLS_URL={demo.url}"} <= set(demo.said.split())
        assert ":8000" not in demo.said
        source = re.search(r"as a STAC API at (http://\S+)", demo.said)
        assert source
        for url in (demo.url, source[1]):
            assert httpx.get(url).status_code == 200
        with Client(demo.url) as client:
            job_id = client.submit("202402")["id"]
            next(job for job in client.watch(job_id, every=0.1) if job["status"] == "running")
        demo.process.terminate()
        assert demo.process.wait(30) == 128 + signal.SIGTERM
        for url in (demo.url, source[1]):
            with pytest.raises(httpx.ConnectError):
                httpx.get(url)
    assert [process for process in psutil.process_iter(["cmdline"]) if job_id in str(process.info["cmdline"])] == []


def test_make_demo_is_hls_demo() -> None:
    """Both commands of README's beginning are the same story."""
    assert re.search(r"^demo: install .*\n\t\$\(BIN\)/python -m hls demo$", (REPOSITORY / "Makefile").read_text(), re.M)
