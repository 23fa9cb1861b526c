"""The service's log, on standard error, each line with the id of the request that it belongs to."""

import json
import logging
import sys
from contextvars import ContextVar

from worker.contract import logs

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


class JsonFormatter(logs.JsonFormatter):
    """With the request at hand in each line, and without the secrets that no pattern tells."""

    def __init__(self, *secrets: str) -> None:
        super().__init__()
        self._secrets = [json.dumps(secret)[1:-1] for secret in secrets]

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        for secret in self._secrets:
            line = line.replace(secret, "***")
        return line

    def always(self) -> dict[str, str]:
        current = request_id.get()
        return {logs.REQUEST_ID: current} if current else {}


def configure(level: str, *secrets: str) -> None:
    """Send every log of this process to standard error as JSON, without these secrets."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(*secrets))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("uvicorn.access", "alembic", "botocore", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
