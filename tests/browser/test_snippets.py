"""The lines that a month's page offers, run as they are by somebody who has nothing but Python and a package index."""

import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import httpx
import pytest

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("duckdb", "geopandas", "pyarrow", "rustac")


@pytest.fixture(scope="module")
def fresh_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the four libraries, in the lock's versions."""
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    uv = str(Path(sys.executable).parent / "uv")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    install = [
        uv,
        "pip",
        "install",
        "--quiet",
        "--constraints",
        str(REPOSITORY / "requirements" / "dev.txt"),
        *PACKAGES,
    ]
    subprocess.run(install, check=True, env={**os.environ, "VIRTUAL_ENV": str(folder)})
    return folder / "bin" / "python"


@pytest.mark.parametrize("name", ["DuckDB", "rustac", "geopandas", "pyarrow"])
def test_a_snippet_runs_as_it_is(name: str, archive_url: str, fresh_python: Path, tmp_path: Path) -> None:
    """Its last line is the count that GET /partitions states."""
    page = httpx.get(f"{archive_url}/ui/months/202103", timeout=60).text
    found = re.search(rf'<code data-snippet="{name}">(.*?)</code>', page, re.DOTALL)
    assert found
    run = subprocess.run(
        [fresh_python, "-I", "-c", unescape(found[1])], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert run.returncode == 0, run.stderr
    listed = httpx.get(f"{archive_url}/partitions", params={"from": "202103", "to": "202103"}, timeout=60).json()
    (items,) = [row["items"] for row in listed["partitions"] if row["prefix"] == "hls-data"]
    assert run.stdout.split()[-1] == str(items)
