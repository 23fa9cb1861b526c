"""Metrics for Prometheus, in a registry of the app's own."""

from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine
from sqlmodel import Session

from api import db
from api.auth import Caller
from api.errors import Unauthorized, Unavailable, documented
from api.jobs import store as jobs
from api.jobs.states import JobState
from api.reconciler.loop import PASS_MARK

router = APIRouter(tags=["health"])
_TEXT: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {}}}}


class Metrics:
    """Requests as they are served, and the jobs as the database has them when Prometheus asks."""

    def __init__(self, engine: Engine) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "hls_http_requests", "Requests served", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "hls_http_request_seconds", "Time to serve a request", ["method", "route"], registry=self.registry
        )
        self.registry.register(_JobsCollector(engine))


class _JobsCollector(Collector):
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def describe(self) -> Iterable[Metric]:
        """Named here so that registering asks no database."""
        return []

    def collect(self) -> Iterable[Metric]:
        with Session(self._engine) as session:
            counts, oldest = jobs.counts(session), jobs.oldest_active(session)
            last_pass = jobs.marked(session, PASS_MARK)
        by_state = GaugeMetricFamily("hls_jobs", "Jobs by state", labels=["state"])
        for state in JobState:
            by_state.add_metric([state], counts.get(state, 0))
        yield by_state
        age = (db.now() - oldest).total_seconds() if oldest else 0.0
        yield GaugeMetricFamily("hls_oldest_active_job_seconds", "Age of the oldest job that has not ended", value=age)
        yield GaugeMetricFamily(
            "hls_reconciler_last_pass_timestamp_seconds",
            "When the reconciler's last good pass ended; 0 before the first",
            value=last_pass.timestamp() if last_pass else 0.0,
        )


@router.get(
    "/metrics",
    operation_id="metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses=_TEXT | documented(Unauthorized, Unavailable),
)
def metrics(request: Request, _: Caller) -> Response:
    """Requests, jobs by state, age of the oldest active job, the reconciler's last pass."""
    return Response(generate_latest(request.app.state.metrics.registry), media_type=CONTENT_TYPE_LATEST)
