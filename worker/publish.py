"""The end of a run: who may publish, and the one write that readers see. The rules are those of docs/decisions/0002."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from storage import AlreadyExists, Changed, NotFound, Stat, Store
from storage.ranged import RangedFile
from worker.contract.documents import DatasetBinding, Decision
from worker.contract.job import RunParams
from worker.contract.layout import dataset_key, decision_key, partition_key, result_key
from worker.contract.result import Provenance, RunResult
from worker.errors import BadParameters, Cancelled, Conflict, WouldShrink


@dataclass(frozen=True)
class Begun:
    """What stood in the archive when the run began."""

    key: str
    present: Stat | None


class Publisher:
    """The archive as one run sees it. `run` is the executor's id of the run."""

    def __init__(self, store: Store, params: RunParams, run: str) -> None:
        self._store, self._params, self._run = store, params, run

    def begin(self) -> Begun:
        """Look at what is there before a long harvest.

        Raises:
            BadParameters: the prefix is bound to another box or other collections.
            Cancelled: the job is cancelled, or another run of it publishes.
        """
        self._compare_binding()
        self._compare_decision()
        key = partition_key(self._params.prefix, self._params.month)
        return Begun(key, self._store.head(key))

    def finished(self) -> RunResult | None:
        """The result of this job, if an earlier attempt came to its end."""
        try:
            return RunResult.from_json(self._store.get(result_key(self._params.job_id)))
        except NotFound:
            return None

    def publish(self, begun: Begun, path: Path, provenance: Provenance, *, row_groups: int, now: datetime) -> RunResult:
        """Put the file in its place and write the result.

        Raises:
            WouldShrink: it has fewer items than the one that is there.
            BadParameters, Cancelled: see `begin`.
            Conflict: another run published the partition since this one began.
        """
        self._check_shrink(begun, provenance.items)
        self._bind()
        self._decide(now)
        try:
            etag = self._store.publish(begun.key, path, expected=begun.present.etag if begun.present else None)
        except Changed as error:
            raise Conflict(str(error)) from error
        result = RunResult(
            **provenance.model_dump(),
            key=begun.key,
            bytes=path.stat().st_size,
            etag=etag,
            row_groups=row_groups,
            published_at=now,
        )
        self._store.put(result_key(self._params.job_id), result.to_json())
        return result

    def _binding(self) -> DatasetBinding:
        return DatasetBinding(bbox=self._params.bbox, collections=self._params.collections)

    def _compare_binding(self) -> None:
        try:
            bound = DatasetBinding.from_json(self._store.get(dataset_key(self._params.prefix)))
        except NotFound:
            return
        if bound != self._binding():
            raise BadParameters(
                f"the prefix {self._params.prefix} is bound to {bound.describe()}, but this run is for "
                f"{self._binding().describe()}: choose another prefix"
            )

    def _bind(self) -> None:
        try:
            self._store.create(dataset_key(self._params.prefix), self._binding().to_json())
        except AlreadyExists:
            self._compare_binding()

    def _compare_decision(self) -> None:
        try:
            decision = Decision.from_json(self._store.get(decision_key(self._params.job_id)))
        except NotFound:
            return
        if decision.action == "cancel":
            raise Cancelled(f"the job was cancelled at {decision.at:%Y-%m-%d %H:%M:%S} UTC by {decision.run}")
        if decision.run != self._run:
            raise Cancelled(f"another run of this job publishes: {decision.run}")

    def _decide(self, now: datetime) -> None:
        decision = Decision(action="publish", run=self._run, at=now)
        try:
            self._store.create(decision_key(self._params.job_id), decision.to_json())
        except AlreadyExists:
            self._compare_decision()

    def _check_shrink(self, begun: Begun, items: int) -> None:
        if begun.present is None or self._params.allow_shrink:
            return
        before = self._rows(begun.present)
        if items < before:
            raise WouldShrink(f"{begun.key} has {before} items, but this harvest has only {items}; it was kept")

    def _rows(self, present: Stat) -> int:
        """Rows of the file that is there; one that cannot be read has none to lose."""
        try:
            with RangedFile(self._store, present) as file:
                return int(pq.read_metadata(file).num_rows)
        except (pa.ArrowInvalid, NotFound):
            return 0
