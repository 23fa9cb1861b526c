"""A directory that cannot be used, and keys that lead out of it."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from storage import AlreadyExists, NotFound, StorageError, Store, open_store

Start = Callable[[str, int], list[Any]]


def _writes(store: Store, key: str, path: Path) -> dict[str, Callable[[], object]]:
    return {
        "put": lambda: store.put(key, b"x"),
        "create": lambda: store.create(key, b"x"),
        "upload": lambda: store.upload(key, path),
        "publish": lambda: store.publish(key, path, expected=None),
    }


WRITES = ("put", "create", "upload", "publish")


@pytest.fixture
def local(tmp_path: Path) -> Store:
    return open_store((tmp_path / "archive").as_uri())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    return path


@pytest.mark.parametrize("key", ["../x", "a/../../x", "a/..", "/etc/passwd", ".."])
def test_a_key_that_leads_out_of_the_root_is_refused(local: Store, file: Path, tmp_path: Path, key: str) -> None:
    """No method reads, writes, lists or removes beside the archive."""
    (tmp_path / "x").write_bytes(b"not of the archive")
    reads: list[Callable[[], object]] = [
        lambda: local.head(key),
        lambda: local.get(key),
        lambda: local.get_range(key, 0, 1),
        lambda: local.download(key, tmp_path / "copy"),
        lambda: local.locate(key),
        lambda: local.delete(key),
        lambda: list(local.scan(f"{key}/")),
    ]
    for call in [*reads, *_writes(local, key, file).values()]:
        with pytest.raises(StorageError, match="leads out of the archive"):
            call()
    assert (tmp_path / "x").read_bytes() == b"not of the archive"


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("blocked", ["root", "folder"])
def test_a_file_where_a_directory_is_needed(local: Store, file: Path, tmp_path: Path, write: str, blocked: str) -> None:
    """The fault is the storage's and says where; it is not mistaken for another writer that was first."""
    in_the_way = tmp_path / "archive" if blocked == "root" else tmp_path / "archive" / "data"
    in_the_way.parent.mkdir(exist_ok=True)
    in_the_way.write_bytes(b"a file")
    with pytest.raises(StorageError, match=rf"could not write .*data/x.*{in_the_way}") as caught:
        _writes(local, "data/x", file)[write]()
    assert not isinstance(caught.value, (AlreadyExists, NotFound))
    assert in_the_way.read_bytes() == b"a file"


@pytest.mark.parametrize("write", WRITES)
def test_a_directory_that_cannot_be_made(file: Path, write: str) -> None:
    """A root in a place where nothing can be written is the storage's fault, not an absent key."""
    store = open_store("file:///proc/archive")
    with pytest.raises(StorageError, match="could not write") as caught:
        _writes(store, "data/x", file)[write]()
    assert not isinstance(caught.value, (AlreadyExists, NotFound))
    assert store.head("data/x") is None
    assert list(store.scan()) == []


def test_a_local_file_that_is_missing_is_not_an_absent_object(local: Store, tmp_path: Path) -> None:
    """`NotFound` is said of keys alone."""
    local.put("a", b"x")
    for call in (
        lambda: local.upload("b", tmp_path / "nothing"),
        lambda: local.publish("b", tmp_path / "nothing", expected=None),
        lambda: local.download("a", tmp_path / "nothing" / "copy"),
    ):
        with pytest.raises(StorageError, match="nothing") as caught:
            call()
        assert not isinstance(caught.value, NotFound)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("file systems may not be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.parametrize("write", ["upload", "publish"])
def test_a_full_disk_keeps_what_is_there(small_disk: Path, tmp_path: Path, write: str) -> None:
    """The write says that no space is left, leaves no half file, and what stood there before stands."""
    store = open_store(small_disk.as_uri())
    store.put("data/x", b"old")
    big = tmp_path / "big"
    big.write_bytes(os.urandom(2 << 20))
    with pytest.raises(StorageError, match="No space left on device"):
        _writes(store, "data/new" if write == "publish" else "data/x", big)[write]()
    assert [stat.key for stat in store.scan()] == ["data/x"]
    assert store.get("data/x") == b"old"
    assert list((small_disk / ".tmp").iterdir()) == []
    store.put("data/x", b"n" * 600_000)


def test_a_write_beyond_a_limit_keeps_what_is_there(local: Store, tmp_path: Path, contenders: Start) -> None:
    """The same for a process that may not write so large a file, which needs no mount to be shown."""
    etag = local.put("data/x", b"old")
    big = tmp_path / "big"
    big.write_bytes(b"x" * 200_000)
    (process,) = contenders(local.uri, 1)
    process.ask("limit", bytes=100_000)
    for order in ({"do": "upload"}, {"do": "publish", "expected": etag}):
        answer = process.ask(key="data/x", path=str(big), **order)
        assert answer["fault"] == "StorageError"
        assert "File too large" in answer["message"]
    assert local.get("data/x") == b"old"
    assert list((tmp_path / "archive" / ".tmp").iterdir()) == []


def test_every_replacement_has_an_etag_of_its_own(local: Store) -> None:
    """Even one of equal content and size a moment later: a publisher that saw an older one finds `Changed`."""
    etags = [local.put("a", b"same") for _ in range(50)]
    assert len(set(etags)) == len(etags)


def test_hidden_files_of_others_are_passed_over(local: Store, tmp_path: Path) -> None:
    """Nothing hidden is an object: not the store's own folders, nor what desktops and copying tools leave."""
    local.put("data/x", b"x")
    for name in ("data/.x.part", ".DS_Store"):
        (tmp_path / "archive" / name).write_bytes(b"")
    (tmp_path / "archive" / "data" / "dangling").symlink_to(tmp_path / "nothing")
    assert [stat.key for stat in local.scan()] == ["data/x"]
    assert local.top_level() == ["data"]
