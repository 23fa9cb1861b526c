"""The demo is the first thing that anyone sees."""

import re
import subprocess
import sys
from pathlib import Path


def test_the_demo_from_end_to_end(tmp_path: Path) -> None:
    """It harvests a month in a box over HTTP, and DuckDB counts in the file what the service's statistics say."""
    ended = subprocess.run(
        [sys.executable, "-m", "hls.demo"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    stated = re.search(r"items +│ (\d+) of (\d+) that the source counts", ended.stdout)
    counted = re.findall(r"│ HLS[LS]30_2\.0 │ +(\d+) │", ended.stdout)
    assert stated is not None
    assert int(stated[1]) == int(stated[2]) == sum(map(int, counted)) > 100
    assert "make serve STAC_API_URL=https://cmr.earthdata.nasa.gov/stac/LPCLOUD" in ended.stdout
