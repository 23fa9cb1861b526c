"""The last lines of a run's log, kept with its job because logs expire.

Log events may arrive after the job has ended. While the worker's last words are missing, its log is read again.
"""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from api import db
from api.executors.base import ExecutorError, printable
from api.jobs import store as jobs
from api.jobs.models import Job
from api.reconciler.context import ACTOR, PAGE, Context, Patience, log, logger, passed_over
from worker.contract.exits import REMEDY, FailureCode

TAIL_LINES = 20
FIRST_LOOK = timedelta(seconds=5)
LAST_LOOK = timedelta(minutes=5)
"""After the end of the job. A worker that was killed has no last words, and its log is then left as it is."""


def last_words(log_tail: Sequence[str]) -> str | None:
    """The message with which the worker ended: its last line of the action `end`."""
    for text in reversed(log_tail):
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and line.get("action") == "end":
            return printable(str(line.get("message")))
    return None


def with_last_words(message: str, code: FailureCode, words: str) -> str:
    """A failure's message with the worker's words, before what is to be done about it."""
    remedy = f". {REMEDY[code]}"
    return message.replace(remedy, f": {words.rstrip('.')}{remedy}", 1)


def kept(context: Context, log_ref: str | None) -> dict[str, Any]:
    """What the row of a job that ends holds of its log."""
    lines = None if log_ref is None else _read(context, log_ref)
    late = log_ref is not None and last_words(lines or ()) is None
    return {"log_ref": log_ref, "log_tail": lines, "log_due_at": db.now() + FIRST_LOOK if late else None}


def read_late(context: Context) -> None:
    """Read again the logs that are due, a page of jobs in each pass."""
    patience = Patience()
    with context.session() as session:
        late = jobs.with_log_due(session, limit=PAGE)
    for job in late:
        if not context.goes_on() or not patience.lasts:
            return
        try:
            _read_again(context, job)
        except Exception as error:  # noqa: BLE001  logged, and the next job has its turn
            passed_over(job, "tail", error)


def _read_again(context: Context, job: Job) -> None:
    """Keep what has come, and look again after as long a time as has passed since the end."""
    now = db.now()
    lines, passed = _read(context, job.log_ref or ""), now - (job.ended_at or now)
    words = last_words(lines or ())
    over = words is not None or passed >= LAST_LOOK
    values: dict[str, Any] = {"log_due_at": None if over else now + max(passed, FIRST_LOOK)}
    if lines:
        values["log_tail"] = lines
    if words is not None and job.failure_code is not None:
        values["failure_message"] = with_last_words(job.failure_message or "", FailureCode(job.failure_code), words)
    with context.session() as session:
        row = session.merge(job, load=False)
        if not jobs.change(session, row, **values):
            return
        if "failure_message" in values:
            reason = f"the log came after the end; the worker's last words: {words}"
            jobs.note(session, row, actor=ACTOR, reason=reason, before=row.state)
    if words is not None:
        log("the end of the log has come", job, action="tail")


def _read(context: Context, log_ref: str) -> list[str] | None:
    try:
        return [line.text for line in context.executor.tail(log_ref, TAIL_LINES)]
    except (ExecutorError, OSError) as error:
        logger.warning("the log's last lines cannot be kept: %s", error, extra={"action": "tail"})
        return None
