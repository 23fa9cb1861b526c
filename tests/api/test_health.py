"""Health while something hangs or fails: quick, bounded, and silent about names."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import httpx
import pytest
from fastapi import FastAPI
from sqlmodel import Session

from api import db, probes
from api.app import create_app
from api.executors.base import ExecutorUnavailable, Throttled
from api.executors.memory import MemoryExecutor
from api.jobs.models import ServiceMark
from api.reconciler.loop import PASS_MARK
from api.settings import Settings
from storage import StorageError

Serve = Callable[..., httpx.Client]


@pytest.fixture
def app(settings: Settings, executor: MemoryExecutor) -> FastAPI:
    return create_app(settings.model_copy(update={"reconcile": False}), executor=executor)


@pytest.fixture
def hanging(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> "Hanging":
    made = Hanging()
    monkeypatch.setattr(app.state.parts.store, "head", made)
    return made


class Hanging:
    """A call that does not return before it is let go."""

    def __init__(self) -> None:
        self.calls = 0
        self.over = threading.Event()

    def __call__(self, *_: object) -> None:
        self.calls += 1
        self.over.wait(60)


def test_what_hangs_is_named_in_time(
    app: FastAPI, hanging: Hanging, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many ask, one thread waits; all are told within the limit which part it is, and then that it is well."""
    monkeypatch.setattr(probes, "ANSWER_SECONDS", 0.5)
    client = serve(app)
    began = time.monotonic()
    told = [client.get("/readyz") for _ in range(20)]
    assert time.monotonic() - began < 5
    assert {reply.status_code for reply in told} == {503}
    body = told[0].json()
    assert (body["storage"]["ok"], body["storage"]["detail"][:16]) == (False, "no answer within")
    assert body["database"]["ok"]
    assert body["executor"]["ok"]
    assert hanging.calls == 1
    hanging.over.set()
    deadline = time.monotonic() + 30
    while client.get("/readyz").status_code != 200:
        assert time.monotonic() < deadline


def test_requests_that_hang_do_not_keep_health_waiting(app: FastAPI, serve: Serve) -> None:
    """With every thread that serves requests taken, /healthz and /readyz answer at once."""
    hanging = Hanging()
    app.get("/hangs")(lambda: hanging())
    client = serve(app)
    call = partial(client.get, "/hangs", timeout=60)
    taken = [threading.Thread(target=call) for _ in range(50)]
    for thread in taken:
        thread.start()
    try:
        deadline = time.monotonic() + 30
        while hanging.calls < 40:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        for path in ("/healthz", "/readyz"):
            assert client.get(path, timeout=10).status_code == 200
    finally:
        hanging.over.set()
        for thread in taken:
            thread.join()


@pytest.mark.parametrize(
    ("part", "fault", "detail"),
    [
        ("storage", StorageError("s3://secret-bucket"), "it cannot be read; the log has the details"),
        ("executor", ExecutorUnavailable("arn:secret-queue"), "it takes no work; the log has the details"),
        ("executor", Throttled("secret-queue"), "it asks to be called less often; the log has the details"),
        ("executor", RuntimeError("/secret/path"), "it fails; the log has the details"),
    ],
)
def test_a_fault_is_told_without_names(
    app: FastAPI,
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    part: str,
    fault: Exception,
    detail: str,
) -> None:
    """Which part it is and what kind of fault; buckets, queues and paths are in the log alone."""

    def fail(*_: object) -> None:
        raise fault

    parts = app.state.parts
    monkeypatch.setattr(*((parts.store, "head") if part == "storage" else (parts.executor, "check")), fail)
    with caplog.at_level(logging.WARNING):
        reply = serve(app).get("/readyz")
    assert reply.status_code == 503
    assert reply.json()[part] == {"ok": False, "detail": detail}
    assert "secret" not in reply.text
    assert "secret" in caplog.text


@pytest.mark.parametrize(("interval", "status"), [(2, 503), (600, 200)])
def test_a_slow_pace_is_no_standstill(
    settings: Settings, executor: MemoryExecutor, serve: Serve, interval: float, status: int
) -> None:
    """A last pass five minutes ago is too long for one every two seconds, and not for one every ten minutes."""
    paced = settings.model_copy(update={"reconcile": False, "reconcile_seconds": interval})
    app = create_app(paced, executor=executor)
    app.state.readiness._started_at = ago = db.now() - timedelta(minutes=5)
    with Session(app.state.engine) as session, session.begin():
        session.add(ServiceMark(name=PASS_MARK, at=ago))
    assert serve(app).get("/readyz").status_code == status
