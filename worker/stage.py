"""Staged days: checkpoints beside the job, so that a run that is tried again goes on where it stopped."""

import hashlib
import logging
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import ValidationError

from storage import NotFound, Store
from worker.contract.columns import SCHEMA_VERSION, Struct
from worker.contract.documents import StagedDay
from worker.contract.job import RunParams
from worker.contract.layout import STAGED_DAY_LIFETIME, staged_day_key, staged_day_record_key
from worker.contract.month import day_bounds
from worker.days import Day
from worker.items.arrow import from_arrow
from worker.items.checks import lacking_bands
from worker.items.types import json_paths

log = logging.getLogger(__name__)

_ROWS_PER_GROUP = 1000
_JSON_COLUMNS = b"hls:json_columns"


@dataclass(frozen=True)
class Staged:
    """A staged day: its record, and its Parquet file on this machine."""

    record: StagedDay
    path: Path

    def kind(self) -> Struct:
        """The columns of the file, with what Arrow's schema alone does not tell."""
        schema = pq.read_schema(self.path)
        marked = frozenset((schema.metadata or {}).get(_JSON_COLUMNS, b"").decode().split("\n"))
        kind = from_arrow(pa.struct(list(schema)), marked)
        assert isinstance(kind, Struct)  # noqa: S101  a schema is a struct
        return kind


class Stage:
    """The staged days of one stage id, for one set of parameters."""

    def __init__(self, store: Store, params: RunParams, source: str, folder: Path) -> None:
        self._store, self._params, self._source, self._folder = store, params, source, folder

    def load(self, day: date) -> Staged | None:
        """The day, if an earlier attempt finished it with the same parameters, not long ago."""
        try:
            record = StagedDay.from_json(self._store.get(staged_day_record_key(self._params.stage_id, day)))
        except (NotFound, ValidationError):
            return None
        if not self._fits(record):
            return None
        staged = Staged(record, self._path(day))
        try:
            self._store.download(staged_day_key(self._params.stage_id, day), staged.path)
        except NotFound:
            return None
        if _sha256(staged.path) != record.sha256:
            # A run of the same stage id that writes at this moment, or a file that was spoilt.
            log.warning(
                "a staged day is not the one that its record speaks of, and is searched again",
                extra={"action": "stage_mismatch", "day": day.isoformat()},
            )
            return None
        return staged

    def save(self, day: Day) -> Staged:
        """Write the day here and to the archive, its record last."""
        path = self._path(day.day)
        marks = {_JSON_COLUMNS: "\n".join(json_paths(day.kind)).encode()}
        pq.write_table(
            day.items.replace_schema_metadata(marks),
            path,
            compression="zstd",
            compression_level=1,
            row_group_size=_ROWS_PER_GROUP,
            write_statistics=False,
        )
        record = self._record(day, _sha256(path))
        self._store.upload(staged_day_key(self._params.stage_id, day.day), path)
        self._store.put(staged_day_record_key(self._params.stage_id, day.day), record.to_json())
        return Staged(record, path)

    def _path(self, day: date) -> Path:
        return self._folder / f"{day.isoformat()}.parquet"

    def _fits(self, record: StagedDay) -> bool:
        same = (
            record.bbox == self._params.bbox
            and record.collections == self._params.collections
            and record.source == self._source
            and record.schema_version == SCHEMA_VERSION
        )
        fresh = datetime.now(UTC) - record.staged_at < STAGED_DAY_LIFETIME
        return same and fresh and record.staged_at >= day_bounds(record.day)[1]

    def _record(self, day: Day, sha256: str) -> StagedDay:
        counts = pc.value_counts(day.items.column("collection").combine_chunks()).to_pylist()
        items = {entry["values"]: entry["counts"] for entry in counts}
        rows = day.items.select(["collection", "assets"]).combine_chunks()
        structs = rows.to_struct_array().combine_chunks() if rows.num_rows else None
        return StagedDay(
            day=day.day,
            bbox=self._params.bbox,
            collections=self._params.collections,
            source=self._source,
            schema_version=SCHEMA_VERSION,
            items=dict(sorted(items.items())),
            matched=day.items.num_rows if day.counted else None,
            anomalies=lacking_bands(structs) if structs is not None else {},
            sha256=sha256,
            staged_at=datetime.now(UTC),
        )


def clear(store: Store, stage_id: str, days: list[date]) -> None:
    """Remove staged days that nobody will need again."""
    for day in days:
        store.delete(staged_day_record_key(stage_id, day))
        store.delete(staged_day_key(stage_id, day))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
