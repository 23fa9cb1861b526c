"""Reading the log files of local runs, by page or from their end. A token is an offset in bytes."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from api.executors.base import LogLine, LogPage

_LONGEST_LINE = 64 * 1024
_BLOCK = 64 * 1024
_TOKEN = re.compile("[0-9]{1,18}")
_LOG_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*/attempt-\d+\.log")


def read_page(runs: Path, log_ref: str, token: str | None, limit: int) -> LogPage:
    """Up to `limit` lines from the token's place on; empty where there is no such log.

    Raises:
        ValueError: the token is none of ours.
    """
    if token is not None and not _TOKEN.fullmatch(token):
        raise ValueError(f"{token!r} is not a token of a page of this log")
    file = _open(runs, log_ref)
    if file is None:
        return LogPage((), None)
    with file:
        size = file.seek(0, 2)
        file.seek(int(token or 0))
        lines: list[LogLine] = []
        while len(lines) < limit and (line := file.readline(_LONGEST_LINE)):
            lines.append(_line(line))
        return LogPage(tuple(lines), str(file.tell()) if file.tell() < size else None)


def read_tail(runs: Path, log_ref: str, limit: int) -> Sequence[LogLine]:
    """The last `limit` lines."""
    file = _open(runs, log_ref)
    if file is None:
        return ()
    with file:
        start, data = file.seek(0, 2), b""
        while start > 0 and data.count(b"\n") <= limit and len(data) < limit * _LONGEST_LINE:
            step = min(_BLOCK, start)
            start -= step
            file.seek(start)
            data = file.read(step) + data
    lines = data.splitlines()[-limit:] if limit > 0 else []
    return tuple(_line(line) for line in lines)


def _open(runs: Path, log_ref: str) -> BinaryIO | None:
    if not _LOG_REF.fullmatch(log_ref):
        return None
    try:
        return (runs / log_ref).open("rb")
    except FileNotFoundError:
        return None


def _line(raw: bytes) -> LogLine:
    text = raw.decode(errors="replace").rstrip("\r\n")
    return LogLine(_stated_time(text), text)


def _stated_time(text: str) -> datetime | None:
    """The time in a line that is a JSON object with one."""
    if not text.startswith("{"):
        return None
    try:
        record = json.loads(text)
        stated = datetime.fromisoformat(record.get("time"))
    except (ValueError, TypeError, RecursionError):
        return None
    return stated if stated.tzinfo else stated.replace(tzinfo=UTC)
