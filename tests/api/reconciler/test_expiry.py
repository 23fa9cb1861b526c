"""What jobs left in a directory goes after a month, and never while a job needs it."""

import errno
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from api.executors.memory import MemoryExecutor
from api.jobs import service
from worker.contract import layout

DAY = 24 * 3600
LONG_AGO = layout.JOBS_LIFETIME.total_seconds() + DAY


@pytest.fixture
def leave(tmp_path: Path) -> Any:
    """Writes a file into the archive, as if so long ago; returns its path."""

    def write(key: str, seconds: float = LONG_AGO) -> Path:
        path = tmp_path / "archive" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"{}")
        os.utime(path, (time.time() - seconds,) * 2)
        return path

    return write


def _look_at_the_archive(hand: Any) -> None:
    hand.wait(refresh=0).turn()  # its end waits for what goes on beside the pass


def test_what_is_old_goes(hand: Any, leave: Any) -> None:
    """Beside the looks at the archive: a job's whole folder, once nothing in it is young; nothing else in the archive."""
    old = [leave(f"_jobs/old/{name}") for name in ("result.json", "days/2024-01-01.parquet", "progress.json")]
    others = [
        leave("_jobs/half/days/2024-01-01.parquet"),
        leave("_jobs/half/decision.json", LONG_AGO - 2 * DAY),
        leave("hls-data/_dataset.json"),
        leave("hls-data/year=2024/month=01/data.parquet"),
        leave("_jobs/readme.txt"),
    ]
    _look_at_the_archive(hand)
    assert not [path for path in old if path.exists()]
    assert not old[0].parent.exists()
    assert all(path.exists() for path in others)


def test_what_a_job_needs_stays(hand: Any, executor: MemoryExecutor, running: str, leave: Any) -> None:
    """The documents of a job that has not ended, and the staged days that a retry goes on from, however old."""
    executor.fail("run-1", 75)
    hand.turn()
    with hand.context.session() as session:
        retry = service.retry_job(session, running, actor="test", binding_of=lambda *_: None)[0].id
    needed = [leave(f"_jobs/{running}/days/2024-01-01.parquet"), leave(f"_jobs/{retry}/decision.json")]
    _look_at_the_archive(hand)
    assert all(path.exists() for path in needed)
    hand.turn()
    executor.fail("run-2", 75)
    hand.turn()
    for path in needed:
        os.utime(path, (time.time() - LONG_AGO,) * 2)
    _look_at_the_archive(hand)
    assert not [path for path in needed if path.exists()]


def test_a_folder_that_cannot_be_removed_spoils_nothing(
    hand: Any, leave: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged with the reason, and the others go."""
    remove = shutil.rmtree

    def refuse(path: Path) -> None:
        if path.name == "a":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        remove(path)

    monkeypatch.setattr(shutil, "rmtree", refuse)
    stuck, gone = leave("_jobs/a/result.json"), leave("_jobs/b/result.json")
    _look_at_the_archive(hand)
    assert stuck.exists()
    assert not gone.exists()
    [line] = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert line.startswith("not removed: could not remove _jobs/a: Permission denied")
