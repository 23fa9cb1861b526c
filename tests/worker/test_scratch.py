"""The working folder of a run."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from worker.scratch import scratch_folder, sweep

HOLD = """
import sys, time
from pathlib import Path
from worker.scratch import scratch_folder, sweep
with scratch_folder(Path(sys.argv[1]), "other") as folder:
    (folder / "day.parquet").write_bytes(b"x")
    print(folder, flush=True)
    time.sleep(60)
"""


def test_a_folder_is_the_runs_own_and_gone_afterwards(tmp_path: Path) -> None:
    """Two runs of one job have one each; what is in them goes with them, also when the run fails."""
    with scratch_folder(tmp_path / "a" / "b", "job") as one, scratch_folder(tmp_path / "a" / "b", "job") as two:
        assert one != two
        (one / "day.parquet").write_bytes(b"x")
        (two / "more").mkdir()
    with pytest.raises(KeyError), scratch_folder(tmp_path / "a" / "b", "job"):
        raise KeyError
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_the_folder_of_a_killed_run_is_swept_and_that_of_a_living_one_is_not(tmp_path: Path) -> None:
    """The next run removes what `kill -9` left, and nothing that somebody still uses or that is not ours."""
    (tmp_path / "not-ours").mkdir()
    (tmp_path / "hls-run-a-file").write_bytes(b"x")
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        theirs = Path(process.stdout.readline().strip())
        with scratch_folder(tmp_path, "job"):
            assert (theirs / "day.parquet").exists(), "its run lives"
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert theirs.exists()
        with scratch_folder(tmp_path, "job"):
            assert not theirs.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hls-run-a-file", "not-ours"]


def test_sweeping_alone(tmp_path: Path) -> None:
    """A run that finds its partition published needs no folder, and removes what a killed one left all the same; where
    it cannot, it has published nonetheless."""
    sweep(tmp_path / "nowhere")
    (tmp_path / "file").write_bytes(b"x")
    sweep(tmp_path / "file")
    left, mine = tmp_path / "hls-run-job-1", tmp_path / "mine"
    for folder in (left, mine):
        folder.mkdir()
        (folder / "day.parquet").write_bytes(b"x")
    with scratch_folder(tmp_path / "other", "job") as held:
        sweep(tmp_path / "other")
        assert held.exists()
    sweep(tmp_path)
    assert list(tmp_path.glob("*/day.parquet")) == [mine / "day.parquet"]


def test_a_place_where_no_folder_can_be_made(tmp_path: Path) -> None:
    """It is the system's own error, with the place in it."""
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(OSError, match="file"), scratch_folder(tmp_path / "file", "job"):
        pass
