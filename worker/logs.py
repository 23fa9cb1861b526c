"""The worker's log, on standard output, as log collectors want it."""

import logging
import sys

from worker.contract.logs import JOB_ID, REQUEST_ID, JsonFormatter


def configure(job_id: str, request_id: str | None = None) -> None:
    """Send the worker's own records to standard output, with the job's id in each, and its request's if there was one."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(**{JOB_ID: job_id, REQUEST_ID: request_id}))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("worker").setLevel(logging.INFO)
