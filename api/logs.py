"""The service's log, on standard error, each line with the id of the request that it belongs to."""

import logging
import sys
from contextvars import ContextVar

from worker.contract import logs

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


class JsonFormatter(logs.JsonFormatter):
    """With the request at hand in each line."""

    def always(self) -> dict[str, str]:
        current = request_id.get()
        return {logs.REQUEST_ID: current} if current else {}


def configure(level: str) -> None:
    """Send every log of this process to standard error as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("uvicorn.access", "alembic", "botocore", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
