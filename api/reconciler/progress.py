"""The worker's own word on how far it is."""

from typing import Any

from pydantic import ValidationError

from api import db
from api.jobs.models import Job
from api.reconciler.context import Context, logger
from storage import NotFound
from worker.contract import layout
from worker.contract.documents import Progress
from worker.contract.logs import JOB_ID


def progress_of(context: Context, job: Job, *, at_the_end: bool = False) -> dict[str, Any]:
    """What changes of the job's row; read seldom while it runs.

    Raises:
        StorageError: the archive cannot be asked.
    """
    read_at = job.progress_read_at
    if not at_the_end and read_at is not None and db.now() - read_at < context.timings.progress:
        return {}
    read: dict[str, Any] = {"progress_read_at": db.now()}
    try:
        progress = Progress.from_json(context.store.get(layout.progress_key(job.id)))
    except NotFound:
        return read
    except ValidationError as error:
        logger.warning("progress cannot be read: %s", error, extra={"action": "progress", JOB_ID: job.id})
        return read
    return read | {"progress": progress.model_dump(mode="json", by_alias=True)}
