"""Removes what jobs left in a directory long ago. A bucket does that by a rule of its own (infra/batch/bucket.py)."""

from datetime import datetime

from api import db
from api.jobs import store as jobs
from api.reconciler.context import Context, logger
from storage import StorageError, Store
from storage.local import LocalStore
from worker.contract import layout


def expire_jobs(context: Context) -> None:
    """Remove the folders below `_jobs/` in which nothing was written for the archive's time and no job needs anything.

    Raises:
        StorageError: the directory cannot be listed.
    """
    store = context.store
    if not isinstance(store, LocalStore):
        return
    old = [name for name, at in _last_writes(store).items() if db.now() - at > layout.JOBS_LIFETIME]
    if not old:
        return
    with context.session() as session:  # after the listing, so that a retry of an old job keeps its staged days
        needed = jobs.ids_in_use(session)
    for name in old:
        if name in needed:
            continue
        try:
            store.delete_folder(f"{layout.JOBS_ROOT}/{name}")
        except StorageError as error:
            logger.warning("not removed: %s", error, extra={"action": "expire"})


def _last_writes(store: Store) -> dict[str, datetime]:
    """By folder below `_jobs/`, that is by the id of a job or a stage."""
    found: dict[str, datetime] = {}
    for stat in store.scan(f"{layout.JOBS_ROOT}/"):
        _, name, *inside = stat.key.split("/")
        if inside:
            found[name] = max(stat.modified, found.get(name, stat.modified))
    return found
