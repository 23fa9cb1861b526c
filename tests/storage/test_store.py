"""What a store promises, on a directory and on S3 alike."""

import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storage import AlreadyExists, Changed, NotFound, Store, open_store

KEY = "hls-data/year=2024/month=01/data.parquet"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A local file of three megabytes and a bit, more than one chunk."""
    path = tmp_path / "made.parquet"
    path.write_bytes(b"0123456789abcdef" * 200_000 + b"end")
    return path


def test_what_is_not_there_is_said_to_be_absent(store: Store, tmp_path: Path) -> None:
    """An absent key is None to `head`, `NotFound` to every reader, nothing to `scan`, and may be deleted."""
    assert store.head(KEY) is None
    for read in (store.get, lambda key: store.get_range(key, 0, 1), lambda key: store.download(key, tmp_path / "copy")):
        with pytest.raises(NotFound, match=r"data\.parquet.*does not exist"):
            read(KEY)
    assert list(store.scan()) == []
    assert list(store.scan("hls-data/")) == []
    assert store.top_level() == []
    store.delete(KEY)


def test_a_key_below_an_object_and_a_key_above_one_are_absent(store: Store) -> None:
    """What is a file or a folder on a disk reads like any absent key, as it does in a bucket."""
    store.put("a/b/c", b"object")
    for key in ("a/b/c/d", "a/b"):
        assert store.head(key) is None
        with pytest.raises(NotFound):
            store.get(key)


def test_put_writes_and_replaces(store: Store) -> None:
    """The content is what was put last, and its etag differs from that of the content before."""
    before = datetime.now(UTC) - timedelta(seconds=2)
    first = store.put(KEY, b"one")
    second = store.put(KEY, b"two!")
    stat = store.head(KEY)
    assert stat is not None
    assert first != second == stat.etag
    assert (stat.key, stat.size) == (KEY, 4)
    assert before <= stat.modified <= datetime.now(UTC) + timedelta(seconds=2)
    assert store.get(KEY) == b"two!"


def test_upload_and_download_carry_a_file(store: Store, file: Path, tmp_path: Path) -> None:
    """A file comes back as it was sent, in whole and in parts."""
    assert store.upload(KEY, file) == getattr(store.head(KEY), "etag", None)
    store.download(KEY, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == file.read_bytes()
    assert store.get_range(KEY, 10, 6) == b"abcdef"
    assert store.get_range(KEY, 3_200_000, 100) == b"end"
    assert store.get_range(KEY, 9_000_000, 100) == b""


def test_an_empty_object_is_an_object(store: Store) -> None:
    """Nothing between absent and empty is mixed up."""
    store.create("empty", b"")
    assert store.get("empty") == b""
    assert getattr(store.head("empty"), "size", None) == 0


def test_create_writes_once(store: Store) -> None:
    """The first content stays, whoever comes after; what was deleted may be created again."""
    etag = store.create("_jobs/a/decision.json", b"publish")
    with pytest.raises(AlreadyExists, match=r"decision\.json exists already"):
        store.create("_jobs/a/decision.json", b"cancel")
    assert store.get("_jobs/a/decision.json") == b"publish"
    assert getattr(store.head("_jobs/a/decision.json"), "etag", None) == etag
    store.delete("_jobs/a/decision.json")
    store.create("_jobs/a/decision.json", b"cancel")
    assert store.get("_jobs/a/decision.json") == b"cancel"


def test_publish_replaces_only_what_was_seen(store: Store, file: Path, tmp_path: Path) -> None:
    """Absent or of the expected etag: published. Anything else: `Changed`, and what is there stays."""
    first = store.publish(KEY, file, expected=None)
    assert getattr(store.head(KEY), "etag", None) == first

    newer = tmp_path / "newer"
    newer.write_bytes(b"newer")
    with pytest.raises(Changed, match="written by another run"):
        store.publish(KEY, newer, expected=None)
    assert store.get(KEY) == file.read_bytes()

    second = store.publish(KEY, newer, expected=first)
    with pytest.raises(Changed):
        store.publish(KEY, file, expected=first)
    assert store.get(KEY) == b"newer"
    assert getattr(store.head(KEY), "etag", None) == second


def test_publish_over_what_was_removed_is_a_change(store: Store, file: Path) -> None:
    """A run that saw a partition does not bring it back after somebody removed it."""
    etag = store.publish(KEY, file, expected=None)
    store.delete(KEY)
    with pytest.raises(Changed):
        store.publish(KEY, file, expected=etag)
    assert store.head(KEY) is None


def test_scan_lists_by_prefix(store: Store) -> None:
    """A prefix need not end at a slash; sizes and etags are those of `head`."""
    keys = ["a-b/x", "a.b/x", "a/b/x", "a/b0/x", "a/c", "ab/x", "_jobs/1/result.json", "é/x"]
    for key in keys:
        store.put(key, key.encode())
    for prefix in ("", "a", "a/", "a/b", "a/b/", "a/b/x", "_jobs/1/", "é", "nothing/here/"):
        assert sorted(stat.key for stat in store.scan(prefix)) == sorted(key for key in keys if key.startswith(prefix))
    assert [store.head(stat.key) for stat in store.scan("a/")] == list(store.scan("a/"))


def test_top_level_names_the_folders_of_the_root(store: Store) -> None:
    """Objects at the root are no folders, and what the store keeps for itself is not told."""
    for key in ("hls-data/year=2024/month=01/data.parquet", "_jobs/1/result.json", "other/x", "readme"):
        store.put(key, b"x")
    assert sorted(store.top_level()) == ["_jobs", "hls-data", "other"]


def test_delete_removes_one_object(store: Store) -> None:
    """Its neighbours stay, and a second time is no fault."""
    store.put("a/1", b"x")
    store.put("a/2", b"x")
    store.delete("a/1")
    store.delete("a/1")
    assert [stat.key for stat in store.scan()] == ["a/2"]


def test_keys_with_unusual_characters_come_back(store: Store) -> None:
    """Spaces, percent signs and letters of other scripts are part of a key and nothing else."""
    for key in ("a b/c d", "100%25/x", "ärger/日本", "plus+and=equals/&?#"):
        store.put(key, key.encode())
        assert store.get(key) == key.encode()
        assert [stat.key for stat in store.scan(key)] == [key]


def test_locate_and_link_lead_to_the_object(store: Store) -> None:
    """A directory is read by path and has no links; an object in a bucket has a URI and a link that downloads it."""
    store.put(KEY, b"content")
    if store.uri.startswith("s3://"):
        assert store.locate(KEY) == f"{store.uri}/{KEY}"
        link = store.link(KEY, seconds=60)
        assert link is not None
        assert "X-Amz-Signature" in link, "new buckets refuse the old way of signing"
        with urllib.request.urlopen(link) as reply:  # noqa: S310  the link is ours
            assert reply.read() == b"content"
    else:
        assert Path(store.locate(KEY)).read_bytes() == b"content"
        assert store.link(KEY, seconds=60) is None


def test_the_uri_opens_the_same_archive(store: Store) -> None:
    """What one store wrote another one at its `uri` reads."""
    store.put(KEY, b"content")
    assert open_store(store.uri).get(KEY) == b"content"
    assert open_store(f"{store.uri}/").uri == store.uri


@pytest.mark.parametrize(
    "uri",
    [
        "", "archive", "/archive", "file://archive", "file:archive", "s3://", "s3:///key", "s3://bucket/prefix",
        "https://bucket", "gs://bucket", "file:///data?x=1", "file:///data#1", "s3://bucket?x",
    ],
)  # fmt: skip
def test_a_uri_that_is_no_root_is_refused(uri: str) -> None:
    """The message says what to write instead."""
    with pytest.raises(ValueError, match=r"write s3://BUCKET or file:///ABSOLUTE/DIRECTORY"):
        open_store(uri)
