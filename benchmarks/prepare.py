"""Prepares a month of items as bytes on disk, once: a file a day, and where each item begins.

A month of millions is a smaller one several times over, told apart by the last character of the version in each id:
`copies` says how often. Of those the files hold the first only.
"""

import hashlib
import json
import os
import shutil
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import sample
from sample.generate import day_granules
from sample.source import GeneratedSource
from worker.contract.collections import COLLECTIONS
from worker.contract.month import Month

MONTH = "202507"
"""The month that is harvested: the biggest of the archive."""

CACHE = Path(__file__).parent / ".cache"

_VERSION = b".v2.0"
_MARKS = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Part:
    """The items of one day and collection, in the order of their start, in a day's file.

    Item i is the bytes from `offsets[i]` to `offsets[i + 1] - 1`: a comma stands between items. Times in milliseconds
    since 1970. `marks` are the places of the version's last character.
    """

    path: Path
    collection: str
    offsets: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    marks: NDArray[np.int64]

    @cached_property
    def _extent(self) -> tuple[int, int]:
        return (int(self.starts[0]), int(self.ends.max())) if len(self.starts) else (1, 0)

    def meets(self, first: int | None, last: int | None) -> bool:
        """Whether the part as a whole has a moment in common with the closed interval; None is without an end."""
        begin, end = self._extent
        return (first is None or end >= first) and (last is None or begin <= last)


@dataclass(frozen=True)
class Prepared:
    """A prepared month of `items` items."""

    folder: Path
    items: int
    copies: int
    parts: list[Part]


def prepare(items: int, *, copies: int = 1) -> Prepared:
    """The month with so many items, generated if it is not there yet.

    Raises:
        ValueError: so many items cannot be made of so many copies.
    """
    if items % copies or copies > len(_MARKS):
        raise ValueError(f"{items} items are not {copies} copies of one month")
    folder = CACHE / "months" / f"{MONTH}-{items // copies}-{_generator()}"
    if not folder.exists():
        _generate(items // copies, folder)
    return load(folder, copies)


def load(folder: Path, copies: int) -> Prepared:
    """A month that `prepare` made."""
    facts: list[dict[str, Any]] = json.loads((folder / "parts.json").read_text())
    parts = []
    for fact in facts:
        with np.load(folder / fact["index"]) as index:
            columns = {name: index[name] for name in ("offsets", "starts", "ends", "marks")}
        parts.append(Part(path=folder / fact["file"], collection=fact["collection"], **columns))
    return Prepared(folder, copies * sum(len(part.starts) for part in parts), copies, parts)


def marked(data: bytes | memoryview, marks: NDArray[np.int64], copy: int) -> bytes:
    """The items in the data as that copy has them."""
    patched = np.frombuffer(data, np.uint8).copy()
    patched[marks] = _MARKS[copy]
    return patched.tobytes()


def _generate(items: int, folder: Path) -> None:
    for outdated in folder.parent.glob(f"{MONTH}-{items}-*"):
        shutil.rmtree(outdated)
    print(f"generating {items:,} items into {folder}, once", file=sys.stderr, flush=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix="unfinished-"))
    try:
        with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            days = pool.map(partial(_generate_day, items, unfinished), Month.parse(MONTH).days(), chunksize=4)
            facts = [fact for day in days for fact in day]
        (unfinished / "parts.json").write_text(json.dumps(facts))
        unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished)
        raise


def _generate_day(items: int, folder: Path, day: date) -> list[dict[str, str]]:
    source = GeneratedSource(items_per_month=items, seed=0, area=None, until=None)
    facts = []
    with (folder / f"{day}.json").open("wb") as file:
        for collection in COLLECTIONS:
            granules = day_granules(seed=0, collection=collection, day=day, count=source.count(collection, day))
            bodies = [granule.body() for granule in granules]
            begin = file.tell()
            lengths = [0, *(len(body) + 1 for body in bodies)]
            text = b",".join(bodies)
            file.write(text)
            file.write(b",")
            index = f"{day}-{collection}.npz"
            np.savez(
                folder / index,
                offsets=begin + np.cumsum(lengths, dtype=np.int64),
                starts=np.array([granule.start for granule in granules], np.int64),
                ends=np.array([granule.end for granule in granules], np.int64),
                marks=begin + _marks(text),
            )
            facts.append({"file": file.name.rpartition("/")[2], "index": index, "collection": collection})
    return facts


def _marks(text: bytes) -> NDArray[np.int64]:
    """Where the last character of each version stands."""
    ends = np.cumsum([len(piece) + len(_VERSION) for piece in text.split(_VERSION)][:-1], dtype=np.int64)
    return ends - 1


def _generator() -> str:
    """A digest of the generator's sources: another generator makes another month."""
    digest = hashlib.sha256()
    for path in sorted(Path(sample.__file__).parent.glob("*.*")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:8]
