"""From a file in the archive to its row in the catalogue."""

from pydantic import ValidationError

from api import db
from api.catalog.engine import Engine
from api.catalog.models import Dataset, Partition
from api.catalog.statistics import Unreadable
from storage import Stat, StorageError, Store
from worker.contract import layout
from worker.contract.documents import DatasetBinding
from worker.contract.month import Month

_READINGS = 3


class FileKeepsChanging(StorageError):
    """The file was replaced each time that it was read."""


class BadBinding(Exception):
    """The dataset's binding cannot be read."""


def partition_row(store: Store, engine: Engine, prefix: str, month: Month) -> Partition | None:
    """The partition as it lies there now; None where there is no file.

    The ETag is compared before and after, so that the figures belong to the file that the row names.

    Raises:
        StorageError: the archive cannot be asked, or the file is replaced again and again.
    """
    key = layout.partition_key(prefix, month)
    for _ in range(_READINGS):
        before = store.head(key)
        if before is None:
            return None
        row = _examined(store, engine, prefix, month, before)
        after = store.head(key)
        if after is not None and after.etag == before.etag:
            return row
    raise FileKeepsChanging(f"{store.locate(key)} was replaced {_READINGS} times while it was read")


def _examined(store: Store, engine: Engine, prefix: str, month: Month, stat: Stat) -> Partition:
    row = Partition(
        prefix=prefix,
        year_month=str(month),
        key=stat.key,
        etag=stat.etag,
        bytes=stat.size,
        modified_at=stat.modified,
        seen_at=db.now(),
    )
    if not stat.size:
        row.unreadable = "the file is empty"
        return row
    try:
        statistics = engine.statistics(store.locate(stat.key), month)
    except Unreadable as error:
        row.unreadable = str(error)
        return row
    row.items = statistics.items
    row.summary = statistics.summary.model_dump(mode="json")
    row.detail = statistics.detail.model_dump(mode="json")
    if (provenance := statistics.provenance) is not None:
        row.matched = provenance.matched
        row.complete = provenance.complete
        row.harvested_at = provenance.harvested_at
        row.job_id = provenance.job_id
    return row


def dataset_row(store: Store, prefix: str, stat: Stat) -> Dataset:
    """The dataset's binding.

    Raises:
        BadBinding: it is not the document that it should be.
        StorageError: the archive cannot be asked.
    """
    try:
        binding = DatasetBinding.from_json(store.get(stat.key))
    except ValidationError as error:
        fault = error.errors()[0]
        raise BadBinding(f"not the binding of a dataset: {fault['msg']}") from error
    return Dataset(
        prefix=prefix,
        bbox=list(binding.bbox) if binding.bbox else None,
        collections=list(binding.collections),
        etag=stat.etag,
        seen_at=db.now(),
    )
