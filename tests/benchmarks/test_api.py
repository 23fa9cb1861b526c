"""`make bench-api` at a tiny size."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.databases import KINDS

REPOSITORY = Path(__file__).parents[2]
BARE = "bare route, one row"
CALLS = {"GET /jobs/{id}", "GET /jobs?limit=100", "GET /partitions, 158 months", "POST /jobs"}
FIGURES = {"requests_per_s", "median_ms", "p99_ms"}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("only", ["sqlite", pytest.param("all", marks=pytest.mark.soak)])
def test_what_it_measures(only: str, tmp_path: Path) -> None:
    """The four calls and the bare route are measured on each database, each call beside it as ratios, and a sweep's
    calls, time and memory, which a page of jobs bounds; all of it goes into the file."""
    file = tmp_path / "api.json"
    options = ["--clients=3", "--seconds=0.3", "--runs=1", "--history=200", "--items=250"]
    command = [sys.executable, "-m", "benchmarks.api", *options, f"--only={only}", f"--json={file}"]
    subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)
    document = json.loads(file.read_text())
    assert (document["clients"], document["seconds"], document["runs"]) == (3, 0.3, 1)
    assert set(document["databases"]) == ({"sqlite"} if only == "sqlite" else set(KINDS))
    for kind in document["databases"].values():
        calls, ratios = kind["calls"], kind["ratios"]
        assert set(calls) == {BARE, *CALLS}
        assert all(figures[name] > 0 for figures in calls.values() for name in FIGURES)
        assert {name: set(ratio) for name, ratio in ratios.items()} == dict.fromkeys(CALLS, FIGURES)
        for name, ratio in ratios.items():
            for figure in FIGURES:
                assert abs(ratio[figure] / (calls[name][figure] / calls[BARE][figure]) - 1) < 1e-4
        for sweep in kind["sweep"]:
            assert (sweep["calls"], sweep["jobs"]) == (3, 250)
            assert sweep["seconds"] > 0
            assert 0 < sweep["rss_before_mib"] <= sweep["rss_peak_mib"]
        grown = [sweep["rss_peak_mib"] - sweep["rss_before_mib"] for sweep in kind["sweep"]]
        assert grown[0] < 32
        assert max(grown[1:]) < 4
