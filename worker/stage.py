"""Staged days: checkpoints beside the job, so that a run that is tried again goes on where it stopped.

A day that is cut into slices is staged slice by slice, and once more when it is whole.
"""

import hashlib
import logging
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from storage import NotFound, Store
from worker import process
from worker.contract.columns import SCHEMA_VERSION
from worker.contract.documents import StagedDay, StagedSlice, StagedSlices
from worker.contract.job import RunParams
from worker.contract.layout import (
    STAGED_DAY_LIFETIME,
    staged_day_key,
    staged_day_record_key,
    staged_slice_key,
    staged_slices_record_key,
)
from worker.contract.month import day_bounds
from worker.days import Day, Done
from worker.items.checks import lacking_bands
from worker.items.moulds import Moulds
from worker.items.parts import Items, ItemsFile, Part
from worker.sorting import merged, unique
from worker.source.slices import Slice

log = logging.getLogger(__name__)

_DELETES = 16

_IN_MEMORY = 4000
"""Items of a day's slices that also stay in memory until the day is whole, some 3 MiB: to read a slice from its file
again takes half as long as to write it."""

_TOGETHER = 32
"""Parts of a day that are put together at a time. Each is small, but in memory whole: more of them are first made into
fewer, which are read a piece at a time."""


@dataclass(frozen=True)
class Staged:
    """A staged day: its record, and its items in a file on this machine."""

    record: StagedDay
    items: ItemsFile


class Stage:
    """The staged days of one stage id, for one set of parameters."""

    def __init__(self, store: Store, params: RunParams, source: str, folder: Path) -> None:
        self._store, self._params, self._source, self._folder = store, params, source, folder
        self._merging = threading.Lock()

    def load(self, day: date) -> Staged | None:
        """The day, if an earlier attempt finished it with the same parameters, not long ago."""
        try:
            record = StagedDay.from_json(self._store.get(staged_day_record_key(self._params.stage_id, day)))
        except (NotFound, ValidationError):
            return None
        if not (self._fits(record) and _is_current(day, record.staged_at)):
            return None
        path = self._folder / f"{day.isoformat()}.parquet"
        if not self._fetched(staged_day_key(self._params.stage_id, day), path, record.sha256, day):
            return None
        return Staged(record, ItemsFile(path))

    def save(self, day: Day) -> Staged:
        """Keep the day: first the items, then the record that says they are whole."""
        path = self._folder / f"{day.day.isoformat()}.parquet"
        tally = _Tally()
        with self._merging:  # one day at a time, for the memory that it takes
            parts = self._fewer(day)
            form, tables = merged(parts)
            items = ItemsFile.write(path, tally.over(tables, form.moulds), form)
        _remove(parts)
        if tally.items.total() > _IN_MEMORY:
            process.give_back()
        record = StagedDay(
            day=day.day,
            bbox=self._params.bbox,
            collections=self._params.collections,
            source=self._source,
            schema_version=SCHEMA_VERSION,
            items=dict(sorted(tally.items.items())),
            matched=tally.items.total() if day.counted else None,
            anomalies=dict(sorted(tally.anomalies.items())),
            sha256=_sha256(path),
            staged_at=day.since,
        )
        self._store.upload(staged_day_key(self._params.stage_id, day.day), path)
        self._store.put(staged_day_record_key(self._params.stage_id, day.day), record.to_json())
        return Staged(record, items)

    def _fewer(self, day: Day) -> list[Part]:
        """The day's parts, put together where they are many."""
        if len(day.parts) <= _TOGETHER:
            return day.parts
        fewer: list[Part] = []
        for number, begin in enumerate(range(0, len(day.parts), _TOGETHER)):
            parts = day.parts[begin : begin + _TOGETHER]
            form, tables = merged(parts)
            fewer.append(ItemsFile.write(self._folder / f"{day.day.isoformat()}-{number}.parquet", tables, form))
            _remove(parts)
        return fewer

    def begun(self, day: date, slices: list[Slice]) -> "DayStage":
        """What is staged of a day that is not whole, where it would be searched by these slices."""
        try:
            record = StagedSlices.from_json(self._store.get(staged_slices_record_key(self._params.stage_id, day)))
        except (NotFound, ValidationError):
            return DayStage(self, day, slices, [])
        usable = [each for each in record.slices if self._fits(record) and _is_current(day, each.staged_at)]
        return DayStage(self, day, slices, [each for each in usable if self._fetch_slice(day, each)])

    def save_slice(self, day: date, name: str, items: Items) -> tuple[ItemsFile, str]:
        """Keep the items of a slice; gives their file on this machine and its digest."""
        file = ItemsFile.write(self.slice_path(day, name), [items.table], items.form)
        self._store.upload(staged_slice_key(self._params.stage_id, day, name), file.path)
        return file, _sha256(file.path)

    def record_slices(self, day: date, slices: list[StagedSlice]) -> None:
        """Say which slices of the day are kept."""
        record = StagedSlices(
            bbox=self._params.bbox,
            collections=self._params.collections,
            source=self._source,
            schema_version=SCHEMA_VERSION,
            slices=slices,
        )
        self._store.put(staged_slices_record_key(self._params.stage_id, day), record.to_json())

    def slice_path(self, day: date, name: str) -> Path:
        return self._folder / f"{day.isoformat()}-{name}.parquet"

    def _fetch_slice(self, day: date, record: StagedSlice) -> bool:
        key = staged_slice_key(self._params.stage_id, day, record.name)
        return self._fetched(key, self.slice_path(day, record.name), record.sha256, day)

    def _fetched(self, key: str, path: Path, sha256: str, day: date) -> bool:
        try:
            self._store.download(key, path)
        except NotFound:
            return False
        if _sha256(path) != sha256:
            # A run of the same stage id that writes at this moment, or a file that was spoilt.
            log.warning(
                "a staged day is not the one that its record speaks of, and is searched again",
                extra={"action": "stage_mismatch", "day": day.isoformat()},
            )
            return False
        return True

    def _fits(self, record: StagedDay | StagedSlices) -> bool:
        return (
            record.bbox == self._params.bbox
            and record.collections == self._params.collections
            and record.source == self._source
            and record.schema_version == SCHEMA_VERSION
        )


class DayStage:
    """The slices of one day that is not whole yet."""

    def __init__(self, stage: Stage, day: date, slices: list[Slice], kept: list[StagedSlice]) -> None:
        self._stage, self._day, self._slices, self._kept = stage, day, slices, kept
        self._in_memory = 0
        self._lock = threading.Lock()

    @property
    def items(self) -> int:
        return sum(each.items for each in self._kept)

    @property
    def since(self) -> datetime:
        """When the first of its slices was staged; now, if none is."""
        return min((each.staged_at for each in self._kept), default=datetime.now(UTC))

    @property
    def done(self) -> list[Done]:
        """What an earlier attempt staged."""
        return [
            Done(ItemsFile(self._stage.slice_path(self._day, each.name)), each.counted) for each in list(self._kept)
        ]

    @property
    def missing(self) -> list[Slice]:
        """The slices to search still, between those that are staged."""
        return [gap for part in self._slices for gap in part.without(self._spans(part))]

    def keep(self, part: Slice, items: Items, counted: bool) -> Done:
        """Stage the items of a slice; one of a day that was not cut stays in memory, for the day is soon whole."""
        if part in self._slices:
            return Done(items, counted)
        name = part.name
        file, sha256 = self._stage.save_slice(self._day, name, items)
        record = StagedSlice(
            name=name,
            collection=part.collection,
            box=part.box,
            start=part.start,
            end=part.end,
            items=items.table.num_rows,
            counted=counted,
            sha256=sha256,
            staged_at=datetime.now(UTC),
        )
        with self._lock:
            self._kept.append(record)
            self._stage.record_slices(self._day, self._kept)
            self._in_memory += items.table.num_rows
            if self._in_memory > _IN_MEMORY:
                return Done(file, counted)
        file.path.unlink()
        return Done(items, counted)

    def _spans(self, part: Slice) -> list[tuple[datetime, datetime]]:
        return [
            (each.start, each.end) for each in self._kept if (each.collection, each.box) == (part.collection, part.box)
        ]


class _Tally:
    """Counts items as they pass."""

    def __init__(self) -> None:
        self.items: Counter[str] = Counter()
        self.anomalies: Counter[str] = Counter()

    def over(self, tables: Iterator[pa.Table], moulds: Moulds | None) -> Iterator[pa.Table]:
        for sorted_items in tables:
            table = unique(sorted_items)
            counts = pc.value_counts(table.column("collection").combine_chunks()).to_pylist()
            self.items.update({entry["values"]: entry["counts"] for entry in counts})
            for batch in table.to_batches():
                self.anomalies.update(lacking_bands(batch.to_struct_array(), moulds))
            yield table


def _remove(parts: list[Part]) -> None:
    for part in parts:
        if isinstance(part, ItemsFile):
            part.path.unlink()


def clear(store: Store, stage_id: str, days: list[date]) -> None:
    """Remove staged days that nobody will need again."""
    with ThreadPoolExecutor(_DELETES, thread_name_prefix="clear") as pool:
        list(pool.map(lambda day: _clear_day(store, stage_id, day), days))


def _clear_day(store: Store, stage_id: str, day: date) -> None:
    store.delete(staged_day_record_key(stage_id, day))
    store.delete(staged_day_key(stage_id, day))
    record = staged_slices_record_key(stage_id, day)
    try:
        slices = StagedSlices.from_json(store.get(record)).slices
    except (NotFound, ValidationError):
        return
    store.delete(record)
    for each in slices:
        store.delete(staged_slice_key(stage_id, day, each.name))


def _is_current(day: date, staged_at: datetime) -> bool:
    return datetime.now(UTC) - staged_at < STAGED_DAY_LIFETIME and staged_at >= day_bounds(day)[1]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
