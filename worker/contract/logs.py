"""Lines of logs, the same from service and worker: one JSON object each, so that a job is followed by its id through all."""

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any

JOB_ID = "jobId"
REQUEST_ID = "requestId"

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}
_SECRETS = re.compile(
    r"(?P<key>hls_[0-9a-f]{12})_[0-9a-f]{64}"  # a key of the service: its id may stay
    r"|(?P<user>://[^\s:/@\"]*):[^\s\"]+@"  # the password in a URL, which may hold any sign that an address may
    r"|(?P<name>(?i:X-Amz-(?:Signature|Credential|Security-Token))[\\\"']*[=:]\s*b?[\\\"']*)[^&\s\\\"']+"  # a link, a header
    r"|(?P<word>\b(?i:password)=)(?:'[^']*'|[^\s\"'&]+)"  # of a database, as its driver writes it
)


def masked(text: str) -> str:
    """The text without the secrets that it may hold."""
    return _SECRETS.sub(_mask, text)


def _mask(found: re.Match[str]) -> str:
    if found["key"]:
        return f"{found['key']}_***"
    return f"{found['user']}:***@" if found["user"] else f"{found['name'] or found['word']}***"


class JsonFormatter(logging.Formatter):
    """Time, level, logger and message, then what every line has, then what was given as `extra`."""

    def __init__(self, **always: str | None) -> None:
        super().__init__()
        self._always = {name: value for name, value in always.items() if value is not None}

    def always(self) -> dict[str, str]:
        return self._always

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self.always(),
            **{name: value for name, value in vars(record).items() if name not in _STANDARD},
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return masked(json.dumps(line, default=str))
