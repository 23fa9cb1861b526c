"""A job's page over plain HTTP: its log, what went wrong, and what can be done about it."""

import html
import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlmodel import Session

from api import db
from api.app import create_app
from api.executors.base import ExecutorUnavailable, LogLine
from api.executors.capped import CappedLogs
from api.executors.memory import MemoryExecutor
from api.jobs import service
from api.jobs.schemas import JobOut
from api.jobs.states import JobState
from api.pages import logs
from api.pages.lines import Line, readable
from api.pages.steps import time_left
from api.settings import Settings
from worker.contract.documents import Progress
from worker.contract.exits import REMEDY, FailureCode
from worker.contract.job import JobParams

PageOf = Callable[..., tuple[httpx.Client, str]]


class LongLog(MemoryExecutor):
    """A log of twelve thousand lines, and how often its end was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.is_away = False

    def tail(self, log_ref: str, limit: int) -> Sequence[LogLine]:
        self.asked += 1
        if self.is_away:
            raise ExecutorUnavailable("the log's keeper is away")
        return [LogLine(None, f"line {number} of {log_ref}") for number in range(12_000 - limit, 12_000)]


@pytest.fixture
def executor() -> LongLog:
    return LongLog()


@pytest.fixture
def page_of(settings: Settings, serve: Callable[..., httpx.Client], executor: LongLog) -> PageOf:
    """A service whose reconciler does not run, and the address of its job with the given columns."""

    def made(**columns: object) -> tuple[httpx.Client, str]:
        app = create_app(settings.model_copy(update={"reconcile": False}), executor=executor)
        with Session(app.state.engine) as session, session.begin():
            params = JobParams(year_month="202401", prefix="west", bbox=(-124.7, 32.5, -114.1, 42))
            job, _ = service.put_job(session, params, actor="test", binding_of=lambda *_: None)
            for name, value in columns.items():
                setattr(job, name, value)
            session.add(job)
            return serve(app), f"/ui/jobs/{job.id}"

    return made


def test_the_end_of_a_long_log(page_of: PageOf) -> None:
    """The last lines stand there, whatever the log's length."""
    client, path = page_of(log_ref="run/1")
    page = client.get(path).text
    assert page.count('class="line"') == logs.LINES
    assert "line 11999 of run/1" in page
    assert "line 9999 of" not in page


def test_many_pages_ask_for_a_log_once(page_of: PageOf, executor: LongLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of one job share what was read within seconds; then the log is read again, and a fault is not kept."""
    client, path = page_of(log_ref="run/1")
    for _ in range(3):
        assert "line 11999" in client.get(path).text
    assert executor.asked == 1
    monkeypatch.setattr(logs, "KEPT_SECONDS", 0.0)
    executor.is_away = True
    assert "cannot be read (the log&#39;s keeper is away)" in client.get(path).text
    executor.is_away = False
    assert "line 11999" in client.get(path).text
    assert executor.asked == 3


def test_a_jobs_end_is_seen(executor: LongLog) -> None:
    """The page of a job that has just ended shows the log's last lines, and not those that were kept before."""
    tails = logs.Tails(CappedLogs(executor, 1))
    tails.last_lines("run/1", has_ended=False)
    for _ in range(2):
        tails.last_lines("run/1", has_ended=True)
    assert executor.asked == 2


def _failed(code: FailureCode) -> dict[str, object]:
    message = f"The worker ended with exit code 66: it has fewer. {REMEDY[code]} (memory: the worker exited with 66)"
    attempt = {"started_at": None, "stopped_at": None, "exit_code": 66, "reason": "the worker exited with 66"}
    return {
        "state": JobState.FAILED,
        "ended_at": db.now(),
        "failure_code": code,
        "failure_message": message,
        "native_status": "FAILED",
        "native_reason": "the worker exited with 66",
        "attempts": [attempt],
    }


@pytest.mark.parametrize(
    ("code", "leads_to", "is_retried"),
    [
        (FailureCode.WOULD_SHRINK, "Submit again, and allow fewer items", True),
        (FailureCode.CONFLICT, "Submit again", True),
        (FailureCode.BAD_REQUEST, "Correct it and submit again", False),
        (FailureCode.SOURCE_UNAVAILABLE, None, True),
    ],
)
def test_what_to_do_can_be_done(code: FailureCode, leads_to: str | None, is_retried: bool, page_of: PageOf) -> None:
    """The page offers what its advice says: the form as the job was, or another try where that may end otherwise."""
    client, path = page_of(**_failed(code))
    page = client.get(path).text
    assert ("Retry on the finished days" in page) == is_retried
    found = re.search(r'<a class="button" href="([^"]+)">([^<]+)</a>', page)
    assert (found[2] if found else None) == leads_to
    if found:
        form = client.get(html.unescape(found[1])).text
        assert 'name="yearMonth" value="202401"' in form
        assert ('value="true" checked' in form) == (code is FailureCode.WOULD_SHRINK)
        assert 'name="prefix" value="west"' in form
        assert 'name="west" value="-124.7"' in form


def test_a_failure_is_told_once(page_of: PageOf) -> None:
    """What happened, what to do and the executor's word stand on the page once each; the list has a sentence."""
    client, path = page_of(**_failed(FailureCode.WOULD_SHRINK))
    page = client.get(path).text
    for words in ("it has fewer", "so nothing was published", "the worker exited with 66"):
        assert page.count(words) == 1
    listed = client.get("/ui/jobs").text
    assert "<code>WOULD_SHRINK</code> The new harvest has fewer items" in listed
    assert "exit code" not in listed


def test_a_log_is_readable() -> None:
    """A line of the worker's becomes time, level, message and facts; one of another program stays as it is."""
    at = datetime(2024, 3, 1, 12, 30, tzinfo=UTC)
    record = {
        "time": at.isoformat(),
        "level": "info",
        "logger": "worker",
        "message": "a day is staged",
        "jobId": "0123456789abcdef",
        "action": "day_staged",
        "day": "2024-02-01",
        "items": 16,
        "reused": False,
        "params": {"yearMonth": "202402"},
    }
    assert readable(json.dumps(record), None) == Line("a day is staged", at, "info", "day 2024-02-01, items 16")
    broken = json.dumps({"time": "once", "level": "error", "message": "it failed", "exception": "Traceback"})
    assert readable(broken, None) == Line("it failed", None, "error", more="Traceback")
    for text in ("Killed", "{", "[1]", '{"message": 1}', "{" * 100_000):
        assert readable(text, at) == Line(text, at)


def test_the_time_that_is_left(page_of: PageOf) -> None:
    """A third of the days in ten minutes leaves twenty; nothing is said before the first day and behind the last."""
    now = db.now()
    progress = Progress(job_id="0123456789abcdef", days_done=10, days_total=30, updated_at=now)
    running = {"state": JobState.RUNNING, "started_at": now - timedelta(minutes=10)}
    client, path = page_of(**running, progress=progress.model_dump(mode="json", by_alias=True))
    page = client.get(path).text
    assert "about 20 min left" in page
    for days in (0, 30):
        shown = JobOut.model_validate(client.get(path.removeprefix("/ui")).json())
        assert shown.progress
        changed = shown.progress.model_copy(update={"days_done": days})
        assert time_left(shown.model_copy(update={"progress": changed})) is None
