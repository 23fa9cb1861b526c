"""What stands in the archive when a run looks: documents and the footer of a partition, or that they cannot be read."""

from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from storage import NotFound, Stat, Store
from storage.ranged import RangedFile
from worker.contract.faults import faults_of
from worker.contract.job import ContractModel
from worker.contract.result import PROVENANCE_KEY, Provenance, RunResult

D = TypeVar("D", bound=ContractModel)


class Unreadable(Exception):
    """A document in the archive is not what it should be."""


def document(store: Store, key: str, kind: type[D]) -> D | None:
    """The document under the key; None where there is none.

    Raises:
        Unreadable: something else stands there.
        StorageError: the archive could not be read.
    """
    try:
        return kind.from_json(store.get(key))
    except NotFound:
        return None
    except ValidationError as error:
        field, what = faults_of(error)[0]
        fault = f"{field}: {what}" if field else what
        raise Unreadable(f"{store.locate(key)} is not the document that it should be ({fault})") from error


def rows_of(store: Store, present: Stat) -> int:
    """Rows of the partition that is there; one that cannot be read has none to lose. Raises `StorageError`."""
    footer = _footer(store, present)
    return footer.num_rows if footer else 0


def published_by(store: Store, present: Stat, job_id: str) -> RunResult | None:
    """The result of the job, if the partition that is there is the one that it published. Raises `StorageError`."""
    footer = _footer(store, present)
    text = (footer.metadata or {}).get(PROVENANCE_KEY.encode()) if footer else None
    try:
        provenance = Provenance.from_json(text or b"")
    except ValidationError:
        return None
    if footer is None or provenance.job_id != job_id:
        return None
    return RunResult(
        **provenance.model_dump(),
        key=present.key,
        bytes=present.size,
        etag=present.etag,
        row_groups=footer.num_row_groups,
        published_at=present.modified,
    )


def _footer(store: Store, present: Stat) -> pq.FileMetaData | None:
    try:
        with RangedFile(store, present) as file:
            return pq.read_metadata(file)
    except (pa.ArrowException, OSError, NotFound):
        return None
