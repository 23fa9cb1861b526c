"""What the service as a whole promises: who may call, errors, health, metrics, documentation."""

import re
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from psycopg.errors import ReadOnlySqlTransaction
from sqlalchemy.exc import InternalError, OperationalError

from api import errors, health, metrics
from api.app import create_app
from api.db import Transaction
from api.executors.memory import MemoryExecutor
from api.settings import Settings
from storage import StorageError

Serve = Callable[..., httpx.Client]

KEY = "correct horse battery staple"


@pytest.fixture
def app(settings: Settings, executor: MemoryExecutor) -> FastAPI:
    return create_app(settings.model_copy(update={"reconcile": False}), executor=executor)


def test_a_key_is_asked_for(tmp_path: Path, executor: MemoryExecutor, serve: Serve) -> None:
    """In either header; without it, or with another one, 401; health and documentation stay open."""
    client: httpx.Client = serve(create_app(Settings(data_dir=tmp_path, api_key=KEY), executor=executor))
    for path in ("/jobs", "/partitions", "/metrics", "/jobs/0123456789abcdef"):
        missing = client.get(path)
        assert (missing.status_code, missing.json()["type"]) == (401, "urn:hls:problem:unauthorized")
        assert missing.headers["www-authenticate"] == "Bearer"
        for wrong in ("", "x", KEY + "x", "schlüssel".encode().decode("latin-1")):
            assert client.get(path, headers=[(b"X-API-Key", wrong.encode("latin-1"))]).status_code == 401
        assert client.get(path, headers={"X-API-Key": KEY}).status_code != 401
        assert client.get(path, headers={"Authorization": f"Bearer {KEY}"}).status_code != 401
    assert client.post("/jobs", json={"yearMonth": "202401"}).status_code == 401
    for path in ("/healthz", "/readyz", "/docs", "/openapi.json"):
        assert client.get(path).status_code == 200
    job = client.post("/jobs", json={"yearMonth": "202401"}, headers={"X-API-Key": KEY}).json()
    events = client.get(job["links"]["events"], headers={"X-API-Key": KEY}).json()["events"]
    assert events[0]["who"] == "operator"


@pytest.mark.parametrize(
    ("fault", "status", "slug"),
    [
        (StorageError("the disk is gone"), 503, "storage-unavailable"),
        (OperationalError("SELECT secret", {}, Exception("no route")), 503, "database-unavailable"),
        (InternalError("UPDATE secret", {}, ReadOnlySqlTransaction("secret")), 503, "database-unavailable"),
        (RuntimeError("secret"), 500, "internal-error"),
    ],
)
def test_faults_of_our_own_are_problems_too(
    app: FastAPI, serve: Serve, fault: Exception, status: int, slug: str
) -> None:
    """503 with Retry-After where a part is away, 500 for the rest; neither tells statements or secrets."""

    @app.get("/faulty")
    def faulty() -> None:
        raise fault

    client: httpx.Client = serve(app)
    reply = client.get("/faulty", headers={"X-Request-ID": "mine-1"})
    assert (reply.status_code, reply.json()["type"]) == (status, f"urn:hls:problem:{slug}")
    assert reply.json()["requestId"] == reply.headers["x-request-id"] == "mine-1"
    assert "secret" not in reply.text
    assert ("retry-after" in reply.headers) == (status == 503)
    assert f'route="/faulty",status="{status}"' in client.get("/metrics").text


def test_a_commit_that_fails_is_no_success(app: FastAPI, serve: Serve) -> None:
    """The reply leaves after the commit: where that fails, the caller is not told that it went well."""

    @app.post("/doomed", status_code=201)
    def doomed(session: Transaction) -> None:
        def fail(*_: object) -> None:
            raise OperationalError("COMMIT", {}, Exception("gone"))

        session.commit = session.flush = fail  # type: ignore[method-assign, assignment]  # a session that fails
        session.get_transaction().commit = fail  # type: ignore[union-attr, method-assign]  # a session that fails

    client: httpx.Client = serve(app)
    assert client.post("/doomed").status_code == 503


def test_a_database_that_is_away(app: FastAPI, settings: Settings, serve: Serve) -> None:
    """/readyz says which part it is, /healthz still answers, and callers get 503."""
    client: httpx.Client = serve(app)
    app.state.engine.dispose()
    for path in settings.data_dir.glob("hls.sqlite*"):
        path.unlink()
    (settings.data_dir / "hls.sqlite").mkdir()
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert not ready.json()["database"]["ok"]
    assert ready.json()["storage"]["ok"]
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/jobs").json()["type"] == "urn:hls:problem:database-unavailable"
    page = client.get("/")
    assert (page.status_code, page.headers["content-type"]) == (503, "text/html; charset=utf-8")


def test_a_reconciler_that_stands_still_is_seen(
    app: FastAPI, serve: Serve, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a good pass for a while the service is not ready, and says since when."""
    client: httpx.Client = serve(app)
    assert client.get("/readyz").status_code == 200
    monkeypatch.setattr(health, "STALE_AFTER", -timedelta(seconds=settings.reconcile_seconds))
    stale = client.get("/readyz")
    assert stale.status_code == 503
    assert "last good pass was never" in stale.json()["reconciler"]["detail"]


def test_metrics_tell_of_jobs_and_requests(quiet_client: httpx.Client) -> None:
    """Jobs by state, the oldest one's age, the last pass, and requests by route rather than by address."""
    job = quiet_client.post("/jobs", json={"yearMonth": "202401"}).json()
    quiet_client.get(job["links"]["self"])
    text = quiet_client.get("/metrics").text
    assert 'hls_jobs{state="pending"} 1.0' in text
    assert 'hls_jobs{state="running"} 0.0' in text
    assert re.search(r"^hls_oldest_active_job_seconds \d", text, re.MULTILINE)
    assert "hls_reconciler_last_pass_timestamp_seconds 0.0" in text
    assert 'hls_http_requests_total{method="GET",route="/jobs/{job_id}",status="200"} 1.0' in text
    assert job["id"] not in text


def test_two_services_have_metrics_of_their_own(app: FastAPI) -> None:
    """A registry for each app, so that a second one in a process is no clash."""
    assert metrics.Metrics(app.state.engine).registry is not app.state.metrics.registry


def test_the_page_asks_nobody_else(empty_client: httpx.Client) -> None:
    """Every address on /docs is one of this service, and is there."""
    page = empty_client.get("/docs").text
    assert not re.search(r"https?://|//[a-z]", page.replace("<!-- ", ""))
    addresses = re.findall(r'(?:href|src)="([^"]+)"', page)
    assert len(addresses) == 3
    for address in addresses:
        assert empty_client.get(address).status_code == 200


def test_the_description_is_whole(empty_client: httpx.Client) -> None:
    """Each operation has an id of its own, a summary, a description, and its errors as problem+json."""
    description = empty_client.get("/openapi.json").json()
    operations = [operation for path in description["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert {"submitJob", "listJobs", "getJob", "listJobEvents", "readJobLogs", "cancelJob", "retryJob"} <= set(names)
    for operation in operations:
        assert operation["summary"]
        assert operation["description"]
        for status, reply in operation["responses"].items():
            assert reply["description"], (operation["operationId"], status)
            if status.startswith(("4", "5")) and operation["operationId"] != "ready":
                assert errors.MEDIA_TYPE in reply["content"]
    assert "HTTPValidationError" not in description["components"]["schemas"]
    references = set(re.findall(r"#/components/schemas/(\w+)", empty_client.get("/openapi.json").text))
    assert references <= set(description["components"]["schemas"])


def test_stopping_leaves_no_thread(settings: Settings, executor: MemoryExecutor, serve: Serve) -> None:
    """The reconciler's thread ends with the service."""
    assert isinstance(serve(create_app(settings, executor=executor)), httpx.Client)
    assert any(thread.name == "reconciler" for thread in threading.enumerate())
