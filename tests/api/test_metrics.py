"""Metrics: what docs/metrics.md says is what /metrics says, and the figures are right."""

import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families
from sqlmodel import Session

from api import db
from api.app import create_app
from api.executors.base import ExecutorUnavailable
from api.executors.memory import MemoryExecutor
from api.jobs.models import Job
from api.settings import Settings
from tests.api.conftest import Serve
from worker.contract.exits import FailureCode

DESCRIBED = (Path(__file__).parents[2] / "docs/metrics.md").read_text()
Described = set[tuple[str, str, frozenset[str]]]


@pytest.fixture
def app(settings: Settings, executor: MemoryExecutor) -> FastAPI:
    return create_app(settings.model_copy(update={"reconcile": False}), executor=executor)


def samples(client: httpx.Client, name: str) -> dict[tuple[str, ...], float]:
    """Values of a metric by the values of its labels."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {tuple(s.labels.values()): s.value for family in families for s in family.samples if s.name == name}


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_table_is_what_is_served(app: FastAPI, executor: MemoryExecutor, serve: Serve) -> None:
    """Name, type and labels of each, and a unit and a meaning; no `_created` series beside them."""
    app.state.parts.executor.give_back({("submit", "Throttled"): 1})
    client = serve(app)
    client.get("/healthz")
    text = client.get("/metrics").text
    assert set(_described()) == set(_served(text))
    assert "_created" not in text
    rows = re.findall(r"^\| `hls_\w+` .*$", DESCRIBED, re.MULTILINE)
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert cells[2], f"no unit: {row}"
        assert cells[4], f"no meaning: {row}"


def _described() -> Iterator[tuple[str, str, frozenset[str]]]:
    for name, kind, labels in re.findall(r"^\| `(hls_\w+)` \| (\w+) \| [^|]+ \| ([^|]*)\|", DESCRIBED, re.MULTILINE):
        yield name, kind, frozenset(re.findall(r"`(\w+)`", labels))


def _served(text: str) -> Iterator[tuple[str, str, frozenset[str]]]:
    for family in text_string_to_metric_families(text):
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        name = f"{family.name}_total" if family.type == "counter" else family.name
        yield name, family.type, frozenset(labels)


def test_failures_of_the_executor_are_counted_once(app: FastAPI, executor: MemoryExecutor, serve: Serve) -> None:
    """By call and error, kept in the database: two processes add up, and a scrape does not count again."""
    counted, client = app.state.parts.executor, serve(app)
    executor.outage = "away"
    for _ in range(2):
        with pytest.raises(ExecutorUnavailable):
            counted.poll(["run-1"])
    found = [samples(client, "hls_executor_call_errors_total") for _ in range(2)]
    assert found == [{("poll", "ExecutorUnavailable"): 2.0}] * 2
    counted.give_back({("poll", "ExecutorUnavailable"): 3, ("submit", "Throttled"): 1})
    assert samples(client, "hls_executor_call_errors_total") == {
        ("poll", "ExecutorUnavailable"): 5.0,
        ("submit", "Throttled"): 1.0,
    }


def test_failed_jobs_by_code(client: httpx.Client, executor: MemoryExecutor) -> None:
    """Every code has a figure, those without a job 0."""
    executor.refuse()
    client.post("/jobs", json={"yearMonth": "202401"})
    until(lambda: samples(client, "hls_jobs")[("failed",)] == 1)
    failed = samples(client, "hls_jobs_failed")
    assert failed.pop(("BAD_REQUEST",)) == 1
    assert set(failed) == {(code,) for code in FailureCode if code != "BAD_REQUEST"}
    assert set(failed.values()) == {0}


def test_what_is_known_without_the_database(settings: Settings, executor: MemoryExecutor, serve: Serve) -> None:
    """While it is away a scrape, also by a key that is kept there, tells of requests and that it is; others are told 503."""
    app = create_app(settings.model_copy(update={"reconcile": False}), executor=executor)
    client = serve(app)
    admin = {"X-API-Key": client.post("/keys", json={"name": "ada", "scope": "admin"}).json()["key"]}
    reader = client.post("/keys", json={"name": "prometheus", "scope": "read"}, headers=admin).json()
    key = {"X-API-Key": reader["key"]}
    assert "hls_database_up 1.0" in client.get("/metrics", headers=key).text
    app.state.engine.dispose()
    database = settings.data_dir / "hls.sqlite"
    for path in settings.data_dir.glob("hls.sqlite*"):
        path.rename(path.with_name(f"kept-{path.name}"))
    database.mkdir()
    told = client.get("/metrics", headers=key)
    assert told.status_code == 200
    assert "hls_database_up 0.0" in told.text
    assert 'hls_http_requests_total{method="POST",route="/keys",status="201"} 2.0' in told.text
    assert "hls_jobs{" not in told.text
    assert client.get("/jobs", headers=key).status_code == 503
    assert client.get("/metrics", headers={"X-API-Key": f"hls_{12 * '0'}_{64 * '0'}"}).status_code == 503
    app.state.engine.dispose()
    database.rmdir()
    for path in settings.data_dir.glob("kept-*"):
        path.rename(path.with_name(path.name.removeprefix("kept-")))
    assert "hls_database_up 1.0" in client.get("/metrics", headers=key).text


def test_the_oldest_job_that_has_not_ended(app: FastAPI, serve: Serve) -> None:
    """Its age, whatever came since and whatever ended before; 0 without one."""
    client = serve(app)
    assert samples(client, "hls_oldest_active_job_seconds") == {(): 0.0}
    jobs = [client.post("/jobs", json={"yearMonth": f"20240{number}"}).json()["id"] for number in (1, 2, 3)]
    client.post(f"/jobs/{jobs[0]}/cancel")
    with Session(app.state.engine) as session, session.begin():
        for job, hours in zip(jobs, (9, 5, 1), strict=True):
            session.get_one(Job, job).created_at = db.now() - timedelta(hours=hours)
    assert samples(client, "hls_oldest_active_job_seconds")[()] == pytest.approx(5 * 3600, abs=120)


def test_the_last_good_pass(client: httpx.Client) -> None:
    """When it ended, in seconds since 1970; later when there was another."""
    until(lambda: samples(client, "hls_reconciler_last_pass_timestamp_seconds")[()] > 0)
    first = samples(client, "hls_reconciler_last_pass_timestamp_seconds")[()]
    assert first == pytest.approx(time.time(), abs=60)
    until(lambda: samples(client, "hls_reconciler_last_pass_timestamp_seconds")[()] > first)


def test_methods_of_ones_own_make_no_series(empty_client: httpx.Client) -> None:
    """A caller cannot fill the memory with labels: unknown methods and addresses have one each."""
    for number in range(3):
        empty_client.request(f"MADEUP{number}", f"/made-up-{number}")
    served = samples(empty_client, "hls_http_requests_total")
    assert sum(value for labels, value in served.items() if labels[:2] == ("unknown", "unknown")) == 3
    assert not [labels for labels in served if "MADEUP" in str(labels) or "made-up" in str(labels)]


def test_a_throttled_submission_is_seen(client: httpx.Client, executor: MemoryExecutor) -> None:
    """What the reconciler meets is in the metrics without anybody's doing."""
    executor.throttle()
    client.post("/jobs", json={"yearMonth": "202401"})
    until(lambda: bool(samples(client, "hls_executor_call_errors_total")))
    assert samples(client, "hls_executor_call_errors_total") == {("submit", "Throttled"): 1.0}
