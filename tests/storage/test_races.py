"""Who wins, when several processes want the same key at the same time; and what a killed one leaves."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import pytest

from storage import Store, open_store

PROCESSES = 3
ROUNDS = 4  # a server takes half a second to settle each
SIZE = 300_000
KEY = "hls-data/year=2024/month=01/data.parquet"

Start = Callable[[str, int], list[Any]]


def _letters(folder: Path, letters: str) -> list[Path]:
    """A file for each letter, made of nothing else, so that a mixture of two shows."""
    paths = [folder / letter for letter in letters]
    for path in paths:
        path.write_bytes(path.name.encode() * SIZE)
    return paths


def test_one_creator_wins(store: Store, contenders: Start) -> None:
    """Of processes that create the same key one succeeds and the others are told; the winner's content stays."""
    processes = contenders(store.uri, PROCESSES)
    for round_ in range(ROUNDS):
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
    files = iter(_letters(tmp_path, ascii_lowercase))
    reader, *processes = contenders(store.uri, PROCESSES + 1)
    etag = None
    for round_ in range(ROUNDS):
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
            reader.tell("watch", key=KEY, size=SIZE, last="Z")
    (last,) = _letters(tmp_path, "Z")
    store.publish(KEY, last, expected=etag)
    assert reader.answer() == {"result": []}


def test_a_killed_publisher_leaves_the_old_content_or_the_new(store: Store, contenders: Start, tmp_path: Path) -> None:
    """After `kill -9` at three moments what is there is whole and is the one object; the next run goes on from it."""
    old, new = _letters(tmp_path, "on")
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

    (whole,) = _letters(tmp_path, "w")
    store.publish(KEY, whole, expected=etag)
    assert store.get(KEY) == whole.read_bytes()
    assert left_over.exists(), "it could belong to a writer that is alive"
    os.utime(left_over, (time.time() - 25 * 3600,) * 2)
    store.put("a", b"any write sweeps")
    assert not left_over.exists()
