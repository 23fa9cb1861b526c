"""A run in the archive without its harvest, and the cancel that may meet it."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from staged_days import partition_file, provenance_of, run_params

from storage import AlreadyExists, Store
from worker.contract.documents import Decision
from worker.contract.layout import decision_key, partition_key
from worker.contract.month import Month
from worker.contract.result import RunResult
from worker.publish import Publisher

KEY = partition_key("hls-data", Month(2024, 1))
NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)


class Attempt:
    """A run without its harvest: what it does in the archive before and after."""

    def __init__(self, store: Any, folder: Path, *, run: str = "", items: int = 3, **params: Any) -> None:
        self.params = run_params(store.uri, **params)
        self.publisher = Publisher(store, self.params, run or self.params.job_id)
        self.provenance = provenance_of(self.params, items=items)
        self.path = partition_file(folder / f"{self.params.job_id}-{items}.parquet", self.provenance)
        self.begun = self.publisher.begin()
        self.found = self.publisher.finished(self.begun)

    def finish(self) -> RunResult:
        if self.found is not None:
            return self.found
        self.publisher.check(self.begun, self.provenance.items)
        return self.publisher.publish(self.begun, self.path, self.provenance, row_groups=1, now=NOW)


Make = Callable[..., Attempt]


def cancel(store: Store, job_id: str = "job") -> bool:
    """What the service does; false where it came too late."""
    try:
        store.create(decision_key(job_id), Decision(action="cancel", run="someone", at=NOW).to_json())
    except AlreadyExists:
        return False
    return True
