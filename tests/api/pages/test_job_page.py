"""A job's page over plain HTTP: its log, what went wrong, and what can be done about it."""

from collections.abc import Callable, Sequence

import httpx
import pytest
from sqlmodel import Session

from api.app import create_app
from api.executors.base import ExecutorUnavailable, LogLine
from api.executors.memory import MemoryExecutor
from api.jobs import service
from api.pages import logs
from api.settings import Settings
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
            params = JobParams(year_month="202401")
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
