"""The disk is full: the job says so, and goes on once there is room."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from disks import no_room, small_disk
from lives import Lives
from services import live_workers, service

from sample.catalog import Catalog
from sample.server import running
from worker.contract.collections import L30
from worker.contract.exits import REMEDY, FailureCode


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "shared",
    [
        pytest.param(False, id="the archive's", marks=pytest.mark.soak),
        pytest.param(True, id="the whole service's"),
    ],
)
def test_a_full_disk(lives: Lives, tmp_path: Path, shared: bool) -> None:
    """The worker ends with 74 and the job with STORAGE, also where the database and the record of the run were on that
    disk and had to wait for room; a retry goes on from the finished days."""
    with (
        running(Catalog.generated(items_per_month=150)) as source,
        small_disk(tmp_path / "disk", "20m") as disk,
    ):
        folder = disk if shared else tmp_path
        archive = disk / "archive"
        with service(
            lives, folder, source=source.url, HLS_ARCHIVE=archive.as_uri(), TEMP_DIR=str(tmp_path / "temporary")
        ) as running_service:
            source.faults.replace(["latency:seconds=0.5"])
            job = running_service.submit("202401", collections=[L30], prefix="dataset")
            _until(lambda: any(archive.glob("_jobs/*/days/*.json")))
            with no_room(disk):
                _until(lambda: not live_workers(str(archive)))
            ended = running_service.ended(job)
            assert (ended["status"], ended["failure"]["code"]) == ("failed", FailureCode.STORAGE)
            message = ended["failure"]["message"]
            assert "exit code 74" in message
            assert REMEDY[FailureCode.STORAGE] in message
            assert "No space left on device" in message or shared  # where there was no room for that either
            source.faults.replace([])
            again = running_service.call("POST", f"/jobs/{job}/retry", expect=202)["id"]
            assert running_service.ended(again)["status"] == "succeeded"


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
