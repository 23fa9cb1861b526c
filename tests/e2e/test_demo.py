"""The demo is the first thing that anyone sees. That it stays where it is told to, tests/test_snippets.py proves."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

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
    command = [sys.executable, "-m", "hls", "demo", "--items", "15000"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    stated = re.search(r"items +│ (\d+) of (\d+) that the source counts", ended.stdout)
    counted = re.findall(r"│ HLS[LS]30_2\.0 │ +(\d+) │", ended.stdout)
    assert stated is not None
    assert int(stated[1]) == int(stated[2]) == sum(map(int, counted)) > 100
    assert "make serve STAC_API_URL=https://cmr.earthdata.nasa.gov/stac/LPCLOUD" in ended.stdout


def test_make_demo_is_hls_demo() -> None:
    """Both commands of README's beginning are the same story."""
    assert re.search(r"^demo: install .*\n\t\$\(BIN\)/python -m hls demo$", (REPOSITORY / "Makefile").read_text(), re.M)
