"""Whatever a caller sends that OpenAPI allows, and much that it does not: no 5xx, and no reply that is not described."""

from collections import Counter
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.app import create_app
from api.executors.memory import MemoryExecutor
from api.settings import Settings
from tests.api.conftest import Serve

KEY = "correct horse battery staple"
Cases = st.SearchStrategy[Any]
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture
def client(settings: Settings, executor: MemoryExecutor, serve: Serve) -> httpx.Client:
    """Of a service with a key and without a limit on how often; three jobs are there."""
    limits = {"api_key": KEY, "requests_per_minute": 10**9, "wrong_keys_per_minute": 10**9, "max_active_jobs": 10**6}
    app = create_app(Settings(**settings.model_dump() | limits | {"reconcile": False}), executor=executor)
    client = serve(app, **{"X-API-Key": KEY})
    for month in ("202401", "202402", "202403"):
        assert client.post("/jobs", json={"yearMonth": month}).status_code == 202
    return client


@pytest.mark.parametrize(
    "count", [300, pytest.param(20_000, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])], ids=["small", "full"]
)
def test_generated_requests(client: httpx.Client, count: int) -> None:
    """Requests that follow the description and requests that do not, to every operation, with a key."""
    schema = schemathesis.openapi.from_url(f"{client.base_url}/openapi.json")
    jobs = [job["id"] for job in client.get("/jobs").json()["jobs"]]
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    # What takes no parameters has one request and no wrong ones.
    bare = [one for one in operations if not one.body and not list(one.iter_parameters())]
    rich = [one for one in operations if one not in bare]
    statuses: Counter[int] = Counter()
    for operation in bare:
        _send(operation.as_strategy(), jobs, 1, statuses)
    while (left := count - statuses.total()) > 0:
        for operation in rich:
            either = [operation.as_strategy(generation_mode=mode) for mode in schemathesis.GenerationMode]
            _send(st.one_of(either), jobs, -(-left // len(rich)), statuses)
    assert set(statuses) >= {200, 202, 404, 422}
    assert max(statuses) < 500


def _send(strategy: Cases, jobs: list[str], most: int, statuses: Counter[int]) -> None:
    """At most so many requests of one operation, half of those for a job for one that there is."""

    @settings(max_examples=most, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(case=strategy, job=st.none() | st.sampled_from(jobs))
    def send(case: Any, job: str | None) -> None:
        if job is not None and "job_id" in case.path_parameters:
            case.path_parameters["job_id"] = job
        response = case.call(headers={"X-API-Key": KEY})
        statuses[response.status_code] += 1
        case.validate_response(response, checks=CHECKS)

    send()
