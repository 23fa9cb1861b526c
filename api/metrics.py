"""Metrics for Prometheus, in a registry of the app's own. docs/metrics.md describes them."""

import logging
from collections.abc import Iterable, Iterator
from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from api import db
from api.access.callers import HurriedReader
from api.access.errors import Forbidden, TooManyRequests
from api.errors import Unauthorized, Unavailable, documented
from api.jobs import store as jobs
from api.jobs.states import JobState
from api.parts import Parts
from api.probes import Probe
from api.reconciler import failures
from api.reconciler.loop import PASS_MARK
from worker.contract.exits import FailureCode

router = APIRouter(tags=["health"])
logger = logging.getLogger(__name__)
_TEXT: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {}}}}

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, of use to nobody here


class Metrics:
    """Requests as they are served, and the jobs as the database has them when Prometheus asks."""

    def __init__(self, parts: Parts) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "hls_http_requests", "Requests served", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "hls_http_request_seconds", "Time to serve a request", ["method", "route"], registry=self.registry
        )
        self._parts = parts
        self._database = Probe("metrics", self._asked, kept=0)

    async def text(self) -> bytes:
        """In a moment. Without the database only that it is away, so that the figures of requests are there just then."""
        seen = await self._database.answer() or []
        up = GaugeMetricFamily("hls_database_up", "1 where the database answers, else 0", value=float(bool(seen)))
        return generate_latest(_Scrape([*self.registry.collect(), up, *seen]))

    def _asked(self) -> list[Metric]:
        try:
            return [*self._seen()]
        except SQLAlchemyError as error:
            logger.warning("no figures from the database", extra={"action": "metrics"}, exc_info=error)
            return []

    def _seen(self) -> Iterator[Metric]:
        failures.write_down(self._parts.engine, self._parts.executor)
        with Session(self._parts.engine) as session:
            counts, oldest = jobs.counts(session), jobs.oldest_active(session)
            failed, last_pass = jobs.failures(session), jobs.marked(session, PASS_MARK)
            errors = failures.totals(session)
        by_state = GaugeMetricFamily("hls_jobs", "Jobs by state", labels=["state"])
        for state in JobState:
            by_state.add_metric([state], counts.get(state, 0))
        yield by_state
        by_code = GaugeMetricFamily("hls_jobs_failed", "Failed jobs by failure code", labels=["code"])
        for code in FailureCode:
            by_code.add_metric([code], failed.get(code, 0))
        yield by_code
        age = (db.now() - oldest).total_seconds() if oldest else 0.0
        yield GaugeMetricFamily("hls_oldest_active_job_seconds", "Age of the oldest job that has not ended", value=age)
        yield GaugeMetricFamily(
            "hls_reconciler_last_pass_timestamp_seconds",
            "When the reconciler's last good pass ended; 0 before the first",
            value=last_pass.timestamp() if last_pass else 0.0,
        )
        by_call = CounterMetricFamily(
            "hls_executor_call_errors", "Calls of Batch or the local executor that failed", labels=["call", "error"]
        )
        for row in errors:
            by_call.add_metric([row.call, row.error], row.count)
        yield by_call


class _Scrape(Collector):
    """What one scrape found."""

    def __init__(self, found: Iterable[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterable[Metric]:
        return self._found


@router.get(
    "/metrics",
    operation_id="metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses=_TEXT | documented(Unauthorized, Forbidden, TooManyRequests, Unavailable),
)
async def metrics(request: Request, _: HurriedReader) -> Response:
    """Requests, jobs by state and failure code, age of the oldest active job, the reconciler's last pass, failed calls.

    While the database is away or silent: requests, and that it is.
    """
    figures: Metrics = request.app.state.metrics
    return Response(await figures.text(), media_type=CONTENT_TYPE_LATEST)
