"""Storage that is full, read-only, away or closed to us: exit 74 with a message, and nothing lost."""

import hashlib
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from disks import small_disk
from proxy import Wire, wire
from pydantic import ValidationError
from staged_days import run_params
from workers import published, worker

from sample.catalog import Catalog
from sample.server import Running, running
from storage import NotFound, Store, open_store
from worker.contract.collections import L30
from worker.contract.documents import StagedDay
from worker.contract.exits import ExitCode
from worker.contract.job import RunParams
from worker.contract.layout import staged_day_key, staged_day_record_key

if TYPE_CHECKING:
    from tests.conftest import S3Server

_PR_CAPBSET_DROP, _CAPABILITIES = 24, (1, 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


@pytest.fixture(scope="module")
def source(catalog: Catalog) -> Iterator[Running]:
    with running(catalog) as server:
        yield server


def _params(archive: str, job_id: str = "job") -> RunParams:
    return run_params(archive, job_id=job_id, collections=[L30], prefix="month", parallel=True)


def _days_kept(store: Store, params: RunParams) -> int:
    """Days that can be used. This S3 server may keep what it got of a body that breaks off, as S3 itself does not."""
    return sum(_is_whole(store, params, day) for day in params.month.days())


def _is_whole(store: Store, params: RunParams, day: date) -> bool:
    try:
        record = StagedDay.from_json(store.get(staged_day_record_key(params.stage_id, day)))
        body = store.get(staged_day_key(params.stage_id, day))
    except (NotFound, ValidationError):
        return False
    return hashlib.sha256(body).hexdigest() == record.sha256


def test_a_full_disk_under_the_archive(source: Running, tmp_path: Path) -> None:
    """74, and which file had no room; finished days are kept, so that with room again the run goes on from them."""
    with small_disk(tmp_path / "disk", "300k") as disk:
        params = _params(disk.as_uri())
        store = open_store(params.destination)
        with worker(params, source=source.url, temp_dir=tmp_path / "temporary") as process:
            assert process.wait() == ExitCode.STORAGE
        assert "could not write" in process.message
        assert "No space left on device" in process.message
        assert published(store, params) is None
        kept = _days_kept(store, params)
        assert 0 < kept < 31

        subprocess.run(["mount", "-o", "remount,size=100m", disk], check=True)
        source.log.clear()
        with worker(params, source=source.url, temp_dir=tmp_path / "temporary") as process:
            assert process.wait() == ExitCode.DONE
        assert len({search.parameters["datetime"] for search in source.log.searches()}) == 31 - kept
        assert published(store, params) is not None


def test_a_full_disk_under_the_working_directory(source: Running, tmp_path: Path) -> None:
    """74, and it is that directory which is named, whether a day or the whole month had no room; days are kept."""
    params = _params((tmp_path / "archive").as_uri())
    store = open_store(params.destination)
    with small_disk(tmp_path / "disk", "300k") as disk:
        with worker(params, source=source.url, temp_dir=disk) as process:
            assert process.wait() == ExitCode.STORAGE
        assert process.message.startswith(f"the working directory {disk} could not be used: ")
        assert "No space left on device" in process.message
        assert list(disk.iterdir()) == [], "what the run had written there is gone"
    assert published(store, params) is None
    assert _days_kept(store, params) > 0


def test_a_quota(source: Running, tmp_path: Path) -> None:
    """A process that may write no large file fails in the same way, wherever the first large file is written."""
    params = _params((tmp_path / "archive").as_uri())
    limit = "import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (100000,) * 2)"
    limit += "; os.execv(sys.argv[1], sys.argv[1:])"
    with worker(
        params, source=source.url, temp_dir=tmp_path / "temporary", prefix=(sys.executable, "-c", limit)
    ) as process:
        assert process.wait() == ExitCode.STORAGE
    assert "File too large" in process.message
    assert published(open_store(params.destination), params) is None


@pytest.mark.parametrize("which", ["archive", "working directory"])
def test_a_read_only_directory(source: Running, tmp_path: Path, which: str) -> None:
    """74 with the directory and what the system said."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    params = _params((closed if which == "archive" else tmp_path / "archive").as_uri())
    temporary = closed if which == "working directory" else tmp_path / "temporary"
    script = (
        f"import ctypes, os, sys\n"
        f"for c in {_CAPABILITIES}: ctypes.CDLL(None).prctl({_PR_CAPBSET_DROP}, c, 0, 0, 0)\n"
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    with worker(params, source=source.url, temp_dir=temporary, prefix=(sys.executable, "-c", script)) as process:
        assert process.wait() == ExitCode.STORAGE
    assert "Permission denied" in process.message
    assert str(closed) in process.message
    assert list(closed.iterdir()) == []


@pytest.mark.parametrize(("name", "value"), [("AWS_SECRET_ACCESS_KEY", "wrong"), ("AWS_PROFILE", "nothing")])
def test_credentials_that_are_wrong(s3_root: str, source: Running, tmp_path: Path, name: str, value: str) -> None:
    """74 before a single search, with the storage's own word; the remedy names credentials."""
    source.log.clear()
    with worker(
        _params(s3_root), source=source.url, temp_dir=tmp_path / "temporary", environment={name: value}
    ) as process:
        assert process.wait() == ExitCode.STORAGE
    assert any(word in process.message for word in ("SignatureDoesNotMatch", "403", "nothing"))
    assert source.log.searches() == []


def test_credentials_that_may_only_read(s3_root: str, s3_server: "S3Server", source: Running, tmp_path: Path) -> None:
    """74 at the first day that is to be kept, with the storage's own word; nothing is written."""
    params = _params(s3_root)
    with worker(params, source=source.url, temp_dir=tmp_path / "temporary", environment=s3_server.reader) as process:
        assert process.wait() == ExitCode.STORAGE
    assert "AccessDenied" in process.message
    assert list(open_store(s3_root).scan()) == []


CREDENTIALS = """
test -e "$1" && key=nobody || key=test-key
until=$(date -u -d "+901 seconds" +%FT%TZ)  # botocore renews 900 s before
printf '{"Version": 1, "AccessKeyId": "%s", "SecretAccessKey": "test-secret", "Expiration": "%s"}' $key $until
"""
"""A script from which botocore fetches credentials that last a second, good ones until the file is there."""


def test_credentials_that_expire(s3_root: str, source: Running, tmp_path: Path) -> None:
    """Renewed while they can be; after that 74, and with good ones again the finished days are used."""
    program, over, config = tmp_path / "credentials", tmp_path / "over", tmp_path / "config"
    program.write_text(CREDENTIALS)
    config.write_text(f"[default]\ncredential_process = sh {program} {over}\n")
    environment = {"AWS_CONFIG_FILE": str(config), "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    params, store = _params(s3_root), open_store(s3_root)
    source.faults.replace(["latency:seconds=0.3"])
    with worker(params, source=source.url, temp_dir=tmp_path / "temporary", environment=environment) as process:
        assert process.read(8)
        over.touch()
        assert process.wait() == ExitCode.STORAGE
    source.faults.replace([])
    assert any(word in process.message for word in ("InvalidAccessKeyId", "403"))
    assert published(store, params) is None
    kept = _days_kept(store, params)
    assert 0 < kept < 31
    source.log.clear()
    with worker(params, source=source.url, temp_dir=tmp_path / "temporary") as process:
        assert process.wait() == ExitCode.DONE
    assert len({search.parameters["datetime"] for search in source.log.searches()}) == 31 - kept


@contextmanager
def _wired(server: "S3Server") -> Iterator[tuple[Wire, str]]:
    """A wire to the S3 server, and the address of its near end."""
    parts = urlsplit(server.endpoint)
    with wire((str(parts.hostname), int(parts.port or 0))) as line:
        yield line, f"http://{line.address[0]}:{line.address[1]}"


def test_a_bucket_that_goes_away_and_comes_back(
    s3_root: str, s3_server: "S3Server", source: Running, tmp_path: Path
) -> None:
    """Away for a moment in the middle of the harvest: the run waits and is done, with every item."""
    params = _params(s3_root)
    with (
        _wired(s3_server) as (line, endpoint),
        worker(
            params, source=source.url, temp_dir=tmp_path / "temporary", environment={"AWS_ENDPOINT_URL": endpoint}
        ) as process,
    ):
        assert process.read(8)
        line.down()
        time.sleep(1)
        line.up()
        assert process.wait() == ExitCode.DONE
    table = published(open_store(s3_root), params)
    assert table is not None
    assert table.num_rows == sum(item["collection"] == L30 for item in source.catalog.month("202401"))


HURRIED = """
import runpy, sys, types, botocore.endpoint
botocore.endpoint.time = types.SimpleNamespace(sleep=lambda seconds: None)
sys.argv = sys.argv[3:]
runpy.run_module("worker", run_name="__main__", alter_sys=True)
"""
"""The worker with botocore's waits between its attempts, half a minute in all, left out."""


def test_a_bucket_that_stays_away(s3_root: str, s3_server: "S3Server", source: Running, tmp_path: Path) -> None:
    """74 with its address; nothing is published, and once it is back the days that were finished are used."""
    params = _params(s3_root)
    store = open_store(s3_root)
    hurried = (sys.executable, "-c", HURRIED)
    with (
        _wired(s3_server) as (line, endpoint),
        worker(
            params,
            source=source.url,
            temp_dir=tmp_path / "temporary",
            prefix=hurried,
            environment={"AWS_ENDPOINT_URL": endpoint},
        ) as process,
    ):
        assert process.read(8)
        line.down()
        assert process.wait() == ExitCode.STORAGE
    assert endpoint in process.message
    assert published(store, params) is None
    kept = _days_kept(store, params)
    assert 0 < kept < 31
    source.log.clear()
    with worker(params, source=source.url, temp_dir=tmp_path / "temporary") as process:
        assert process.wait() == ExitCode.DONE
    assert len({search.parameters["datetime"] for search in source.log.searches()}) == 31 - kept
