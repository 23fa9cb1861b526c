"""The end of a run: who may publish, and the one write that readers see. The rules are those of docs/decisions/0002."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from storage import AlreadyExists, Changed, Stat, StorageError, Store
from worker import standing
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
    decision: Decision | None
    """This run's own, if an earlier attempt of it had come that far."""

    @property
    def etag(self) -> str | None:
        return self.present.etag if self.present else None


class Publisher:
    """The archive as one run sees it. `run` is the executor's id of the run, the same for all its attempts."""

    def __init__(self, store: Store, params: RunParams, run: str) -> None:
        self._store, self._params, self._run = store, params, run

    def begin(self) -> Begun:
        """Look at what is there before a long harvest.

        Raises:
            BadParameters: the prefix is bound to another box or other collections.
            Cancelled: the job is cancelled, or another run of it publishes.
        """
        self._compare_binding()
        decision = self._own_decision()
        key = partition_key(self._params.prefix, self._params.month)
        return Begun(key, self._store.head(key), decision)

    def finished(self, begun: Begun) -> RunResult | None:
        """The result of this job, if an earlier attempt published, whether or not it came to say so.

        Raises:
            Conflict: an earlier attempt had decided what to replace, and another run has replaced it since.
        """
        result = self._document(result_key(self._params.job_id), RunResult)
        if result is not None or begun.decision is None:
            return result
        if begun.present is not None and (result := self._published(begun.present)) is not None:
            return result
        if begun.etag != begun.decision.replaces:
            raise Conflict(f"{begun.key} was written by another run since this one decided to publish")
        return None

    def check(self, begun: Begun, items: int) -> None:
        """Whether the partition may be replaced by one with so many items.

        Raises:
            WouldShrink: the one that is there has more.
            BadParameters: see `begin`.
        """
        if begun.present is not None and not self._params.allow_shrink:
            before = standing.rows_of(self._store, begun.present)
            if items < before:
                raise WouldShrink(f"{begun.key} has {before} items, but this harvest has only {items}; it was kept")
        self._compare_binding()

    def publish(self, begun: Begun, path: Path, provenance: Provenance, *, row_groups: int, now: datetime) -> RunResult:
        """Decide, put the file in its place and write the result. Nothing stops this any more once it is decided.

        Raises:
            BadParameters, Cancelled: see `begin`.
            Conflict: another run published the partition since this one began.
        """
        self._decide(begun, now)
        self._bind()
        try:
            etag = self._store.publish(begun.key, path, expected=begun.etag)
        except Changed as error:
            # The last write of an attempt that was killed may have arrived after its end.
            present = self._store.head(begun.key)
            if present is not None and (result := self._published(present)) is not None:
                return result
            raise Conflict(str(error)) from error
        result = RunResult(
            **provenance.model_dump(),
            key=begun.key,
            bytes=path.stat().st_size,
            etag=etag,
            row_groups=row_groups,
            published_at=now,
        )
        return self._written(result)

    def _published(self, present: Stat) -> RunResult | None:
        result = standing.published_by(self._store, present, self._params.job_id)
        return result and self._written(result)

    def _written(self, result: RunResult) -> RunResult:
        self._store.put(result_key(self._params.job_id), result.to_json())
        return result

    def _binding(self) -> DatasetBinding:
        return DatasetBinding(bbox=self._params.bbox, collections=self._params.collections)

    def _compare_binding(self) -> None:
        prefix = self._params.prefix
        try:
            bound = standing.document(self._store, dataset_key(prefix), DatasetBinding)
        except standing.Unreadable as error:
            raise BadParameters(f"nobody can tell what the prefix {prefix} is bound to: {error}") from error
        if bound is not None and bound != self._binding():
            raise BadParameters(
                f"the prefix {prefix} is bound to {bound.describe()}, but this run is for "
                f"{self._binding().describe()}: choose another prefix"
            )

    def _bind(self) -> None:
        try:
            self._store.create(dataset_key(self._params.prefix), self._binding().to_json())
        except AlreadyExists:
            self._compare_binding()

    def _own_decision(self) -> Decision | None:
        decision = self._document(decision_key(self._params.job_id), Decision)
        if decision is None:
            return None
        if decision.action == "cancel":
            raise Cancelled(f"the job was cancelled at {decision.at:%Y-%m-%d %H:%M:%S} UTC by {decision.run}")
        if decision.run != self._run:
            raise Cancelled(f"another run of this job publishes: {decision.run}")
        return decision

    def _decide(self, begun: Begun, now: datetime) -> None:
        decision = Decision(action="publish", run=self._run, at=now, replaces=begun.etag)
        try:
            self._store.create(decision_key(self._params.job_id), decision.to_json())
        except AlreadyExists:
            self._own_decision()

    def _document(self, key: str, kind: type[standing.D]) -> standing.D | None:
        try:
            return standing.document(self._store, key, kind)
        except standing.Unreadable as error:
            raise StorageError(str(error)) from error
