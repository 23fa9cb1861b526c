"""Who wins, when several processes want the same key at the same time; and what a killed one leaves."""

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from storage import Changed, Stat, Store, open_store
from storage.local import LocalStore

PROCESSES = 3
SIZE = 200_000
KEY = "hls-data/year=2024/month=01/data.parquet"

Start = Callable[[str, int], list[Any]]


def _rounds(store: Store) -> int:
    """How often they race: the S3 server of these tests takes half a second to settle each, a directory none."""
    return 4 if store.uri.startswith("s3://") else 40


def _file(folder: Path, byte: int) -> Path:
    """A file of one byte repeated, so that a mixture of two shows."""
    path = folder / str(byte)
    path.write_bytes(bytes([byte]) * SIZE)
    return path


def test_one_creator_wins(store: Store, contenders: Start) -> None:
    """Of processes that create the same key one succeeds and the others are told; the winner's content stays."""
    processes = contenders(store.uri, PROCESSES)
    for round_ in range(_rounds(store)):
        key = f"_jobs/{round_}/decision.json"
        for number, process in enumerate(processes):
            process.tell("create", key=key, text=f"{number}" * 1000)
        answers = [process.answer() for process in processes]
        (winner,) = [number for number, answer in enumerate(answers) if "result" in answer]
        assert [answer["fault"] for answer in answers if "fault" in answer] == ["AlreadyExists"] * (PROCESSES - 1)
        assert store.get(key) == f"{winner}".encode() * 1000
        assert getattr(store.head(key), "etag", None) == answers[winner]["result"]


def test_one_publisher_wins_and_readers_see_whole_contents(store: Store, contenders: Start, tmp_path: Path) -> None:
    """Of processes that publish over the same etag one succeeds and the others get `Changed`, round after round.

    A reader meanwhile sees one content or the other, never a mixture, and never fails.
    """
    files = (_file(tmp_path, byte) for byte in count())
    reader, *processes = contenders(store.uri, PROCESSES + 1)
    etag = None
    for round_ in range(_rounds(store)):
        offers = [next(files) for _ in processes]
        for process, file in zip(processes, offers, strict=True):
            process.tell("publish", key=KEY, path=str(file), expected=etag)
        answers = [process.answer() for process in processes]
        (winner,) = [number for number, answer in enumerate(answers) if "result" in answer]
        assert [answer["fault"] for answer in answers if "fault" in answer] == ["Changed"] * (PROCESSES - 1)
        assert store.get(KEY) == offers[winner].read_bytes()
        etag = answers[winner]["result"]
        assert getattr(store.head(KEY), "etag", None) == etag
        if round_ == 0:
            reader.tell("watch", key=KEY, size=SIZE, last=255)
    store.publish(KEY, _file(tmp_path, 255), expected=etag)
    assert reader.answer() == {"result": []}


def test_nobody_publishes_between_the_look_and_the_rename(tmp_path: Path) -> None:
    """In a directory a publisher that has seen the expected etag holds off every other until it has published."""
    looked, go_on = threading.Event(), threading.Event()

    class Slow(LocalStore):
        def head(self, key: str) -> Stat | None:
            stat = super().head(key)
            looked.set()
            assert go_on.wait(timeout=30)
            return stat

    first, second = _file(tmp_path, 1), _file(tmp_path, 2)
    root = tmp_path / "archive"
    with ThreadPoolExecutor() as pool:
        ours = pool.submit(Slow(root).publish, KEY, first, expected=None)
        assert looked.wait(timeout=30)
        theirs = pool.submit(LocalStore(root).publish, KEY, second, expected=None)
        time.sleep(0.1)  # time enough for what must not happen
        waited = not theirs.done()
        go_on.set()
        ours.result()
        with pytest.raises(Changed):
            theirs.result()
    assert waited
    assert LocalStore(root).get(KEY) == first.read_bytes()


def test_a_killed_publisher_leaves_the_old_content_or_the_new(store: Store, contenders: Start, tmp_path: Path) -> None:
    """After `kill -9` at three moments what is there is whole and is the one object; the next run goes on from it."""
    old, new = _file(tmp_path, 0), tmp_path / "new"
    new.write_bytes(b"n" * (32 << 20))
    etag = store.publish(KEY, old, expected=None)
    for process, moment in zip(contenders(store.uri, 3), (0.0, 0.02, 0.06), strict=True):
        process.tell("publish", key=KEY, path=str(new), expected=etag)
        time.sleep(moment)
        process.process.kill()
        process.process.wait()
        assert [stat.key for stat in store.scan()] == [KEY]
        assert store.get(KEY) in (old.read_bytes(), new.read_bytes())
        present = store.head(KEY)
        assert present is not None
        etag = store.publish(KEY, old, expected=present.etag)


@pytest.mark.parametrize("old", [None, b"old"])
def test_what_a_killed_writer_had_copied_is_no_object(tmp_path: Path, contenders: Start, old: bytes | None) -> None:
    """In a directory half a copy is neither listed nor read nor in the way, and is swept away after a day."""
    store = open_store((tmp_path / "archive").as_uri())
    etag = None if old is None else store.put(KEY, old)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (process,) = contenders(store.uri, 1)
    process.tell("publish", key=KEY, path=str(pipe), expected=etag)
    with suppress(BrokenPipeError), pipe.open("wb") as half:
        half.write(b"half of it" * 300_000)
        process.process.kill()
        process.process.wait()
    (left_over,) = (tmp_path / "archive" / ".tmp").iterdir()
    assert left_over.stat().st_size > 0
    assert [stat.key for stat in store.scan()] == ([KEY] if old else [])
    assert store.top_level() == (["hls-data"] if old else [])

    whole = _file(tmp_path, 0)
    store.publish(KEY, whole, expected=etag)
    assert store.get(KEY) == whole.read_bytes()
    assert left_over.exists(), "it could belong to a writer that is alive"
    os.utime(left_over, (time.time() - 25 * 3600,) * 2)
    store.put("a", b"any write sweeps")
    assert not left_over.exists()
