"""A line of a log as people read it: when, how grave, what, and the facts that belong to it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from worker.contract.logs import JOB_ID, REQUEST_ID

_TOLD_ELSEWHERE = frozenset({"time", "level", "logger", "message", "action", "exception", JOB_ID, REQUEST_ID})


@dataclass(frozen=True)
class Line:
    """One line; only the text is there where another program wrote it."""

    text: str
    at: datetime | None = None
    level: str = ""
    facts: str = ""
    more: str = ""
    """The trace of an exception."""


def readable(text: str, at: datetime | None) -> Line:
    """What the line says, if it is one of the worker's JSON objects; otherwise the line as it is."""
    try:
        record = json.loads(text) if text.startswith("{") else None
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict) or not isinstance(record.get("message"), str):
        return Line(text.rstrip(), at)
    return Line(
        text=record["message"],
        at=at or _moment(record.get("time")),
        level=str(record.get("level", "")),
        facts=_facts(record),
        more=str(record.get("exception", "")),
    )


def _facts(record: Mapping[str, Any]) -> str:
    """Numbers and short texts; what has parts, such as the job's parameters, stands elsewhere on the page."""
    told = {name: value for name, value in record.items() if name not in _TOLD_ELSEWHERE}
    return ", ".join(
        f"{name} {value}" for name, value in told.items() if isinstance(value, str | int | float) and value is not False
    )


def _moment(text: object) -> datetime | None:
    try:
        stated = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return stated if stated.tzinfo else stated.replace(tzinfo=UTC)
