"""The lines that a month's page offers, run as they are by somebody who has nothing but Python and a package index."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest

from hls import demo
from hls.client import Client
from tests.browser.conftest import serving

REPOSITORY = Path(__file__).parents[2]
NEEDS = {"DuckDB": ["duckdb"], "rustac": ["rustac"], "geopandas": ["geopandas", "pyarrow"], "pyarrow": ["pyarrow"]}
"""What each one's first line says to install."""


@pytest.fixture(scope="module")
def demo_url(source_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service that has harvested the demo's month and box, in its dataset's default prefix."""
    with serving(tmp_path_factory.mktemp("demo"), STAC_API_URL=source_url) as url, Client(url) as client:
        *_, job = client.watch(client.submit(demo.MONTH, bbox=demo.CALIFORNIA)["id"], every=0.2)
        assert job["status"] == "succeeded"
        yield url


@pytest.fixture
def fresh_python(name: str, tmp_path: Path) -> Path:
    """A new environment with what the snippet's first line names, in the lock's versions, and nothing else."""
    folder = tmp_path / "venv"
    uv = str(Path(sys.executable).parent / "uv")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    locked = str(REPOSITORY / "requirements" / "dev.txt")
    install = [uv, "pip", "install", "--quiet", "--constraints", locked, *NEEDS[name]]
    subprocess.run(install, check=True, env={**os.environ, "VIRTUAL_ENV": str(folder)})
    return folder / "bin" / "python"


@pytest.mark.parametrize("name", list(NEEDS))
def test_a_snippet_runs_as_it_is(
    name: str, demo_url: str, archive_url: str, fresh_python: Path, tmp_path: Path
) -> None:
    """On the demo's file, on an empty one and on another program's: its last line is the count of GET /partitions."""
    (demo_month,) = httpx.get(f"{demo_url}/partitions", timeout=60).json()["partitions"]
    _check(name, demo_url, demo_month, fresh_python, tmp_path)
    for prefix in ("empty", "foreign"):
        (row,) = httpx.get(f"{archive_url}/partitions", params={"prefix": prefix}, timeout=60).json()["partitions"]
        if prefix == "empty" or name in ("DuckDB", "pyarrow"):
            _check(name, archive_url, row, fresh_python, tmp_path)


def test_no_snippet_that_could_not_run(archive_url: str) -> None:
    """What needs GeoParquet is not offered for a file that is none."""
    page = httpx.get(f"{archive_url}/ui/months/202402", params={"prefix": "foreign"}, timeout=60).text
    assert re.findall(r'data-snippet="(.*?)"', page) == ["DuckDB", "pyarrow"]


def _check(name: str, url: str, row: dict[str, Any], python: Path, folder: Path) -> None:
    page = httpx.get(f"{url}/ui/months/{row['yearMonth']}", params={"prefix": row["prefix"]}, timeout=60).text
    found = re.search(rf'<code data-snippet="{name}">(.*?)</code>', page, re.DOTALL)
    assert found, row["prefix"]
    code = unescape(found[1])
    assert code.partition("\n")[0] == f"# pip install {' '.join(NEEDS[name])}"
    run = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=False, cwd=folder)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split()[-1] == str(row["items"])
