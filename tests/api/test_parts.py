"""The parts put together: what a prefix is bound to, asked of the catalogue and of the archive."""

from pathlib import Path

import httpx
import pytest

from api import db
from api.catalog.models import Dataset
from api.executors.batch import BatchExecutor
from api.executors.memory import MemoryExecutor
from api.parts import Parts, assemble
from api.settings import Settings, StartRefused
from storage import open_store
from worker.contract import layout
from worker.contract.documents import DatasetBinding

WORLD = DatasetBinding(collections=("HLSL30_2.0", "HLSS30_2.0"))


def bound(client: httpx.Client) -> httpx.Response:
    return client.post("/jobs", json={"yearMonth": "202401", "bbox": [0, 0, 1, 1], "prefix": "hls-data"})


def test_the_archive_itself_binds_a_prefix(quiet_client: httpx.Client, settings: Settings) -> None:
    """A dataset that was written behind the service's back is respected before the catalogue has seen it."""
    store = open_store(settings.destination)
    store.put(layout.dataset_key("hls-data"), WORLD.to_json())
    reply = bound(quiet_client)
    assert (reply.status_code, reply.json()["type"]) == (409, "urn:hls:problem:prefix-bound")
    assert reply.json()["bound"] == {"bbox": None, "collections": list(WORLD.collections)}
    assert quiet_client.post("/jobs", json={"yearMonth": "202401"}).status_code == 202


def test_a_binding_that_cannot_be_read_is_left_to_the_worker(quiet_client: httpx.Client, settings: Settings) -> None:
    """A broken `_dataset.json` is no reason to fail here; the run will say what is wrong with it."""
    open_store(settings.destination).put(layout.dataset_key("hls-data"), b"{")
    assert bound(quiet_client).status_code == 202


def test_the_catalogue_goes_first(settings: Settings, executor: MemoryExecutor) -> None:
    """What the catalogue knows is not asked of the archive again."""
    parts = assemble(settings, executor=executor)
    row = Dataset(prefix="p", bbox=None, collections=list(WORLD.collections), etag="x", seen_at=db.now())
    context = parts.reconciler().context
    with context.session() as session:
        session.add(row)
    assert parts.binding_of("p") == WORLD
    assert parts.binding_of("q") is None
    parts.close()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_postgresql_is_migrated_by_command_only(tmp_path: Path, empty_url: str) -> None:
    """A service on PostgreSQL does not change its schema by starting."""
    with pytest.raises(StartRefused, match="python -m api migrate"):
        assemble(Settings(data_dir=tmp_path, database_url=empty_url))


def test_the_settings_choose_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With Batch the executor is Batch's, and the waits are Batch's."""
    for name in ("AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "us-east-1")
    parts: Parts = assemble(Settings(data_dir=tmp_path, executor="batch", archive="s3://bucket"))
    assert parts.executor.name == BatchExecutor.name
    timings = parts.reconciler().context.timings
    assert (timings.lookup.total_seconds(), timings.progress.total_seconds()) == (120, 30)
    parts.close()


@pytest.mark.parametrize("fault", ["no region", "no such endpoint"])
def test_aws_settings_that_make_no_client_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """The service does not start, and says which settings to look at."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    if fault == "no such endpoint":
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "nowhere")
    with pytest.raises(StartRefused, match=r"the AWS settings make no (Batch|S3) client: .*AWS_DEFAULT_REGION"):
        assemble(Settings(data_dir=tmp_path, executor="batch", archive="s3://bucket"))
