"""Whatever a caller sends that OpenAPI allows, and much that it does not: no 5xx, and no reply that is not described."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core import NOT_SET
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlmodel import Session

from api.app import create_app
from api.executors.memory import MemoryExecutor
from api.jobs import store as jobs
from api.parts import Parts
from api.settings import Settings
from tests.api.catalog.partition_files import MONTH, put_partition
from tests.api.conftest import Serve

KEY = "correct horse battery staple"
WRONG = f"hls_0123456789ab_{'0' * 64}"
Cases = st.SearchStrategy[Any]
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@dataclass(frozen=True)
class World:
    """A service with something of everything, and keys for it."""

    client: httpx.Client
    there: dict[str, list[str]]
    """Values of the parameters of paths that there are, the one that an operation succeeds with last."""
    keys: list[str | None]
    """The operator's more often than a small one, a wrong one and none."""


@pytest.fixture
def app(settings: Settings, migrated_url: str, executor: MemoryExecutor) -> FastAPI:
    """With a key, and without a limit on how often; it reconciles by hand."""
    limits = {"requests_per_minute": 10**9, "wrong_keys_per_minute": 10**9, "max_active_jobs": 10**6}
    changes = {"api_key": KEY, "database_url": migrated_url, "reconcile": False, **limits}
    return create_app(Settings(**settings.model_dump() | changes), executor=executor)


@pytest.fixture
def world(app: FastAPI, executor: MemoryExecutor, serve: Serve) -> World:
    """A job that waits, one that runs and has a log, one that failed, and a partition."""
    client = serve(app, **{"X-API-Key": KEY})
    parts: Parts = app.state.parts
    put_partition(parts.store)
    running, failed = (_submitted(client, f"{MONTH.year}{number:02}") for number in (5, 6))
    reconciler = parts.reconciler()
    assert reconciler.pass_once()
    (run,) = (ref for ref, params in executor.submitted.items() if params.job_id == running)
    (end,) = (ref for ref, params in executor.submitted.items() if params.job_id == failed)
    executor.start(run)
    executor.log(run, '{"time": "2024-03-01T00:00:00Z", "message": "first"}', "second")
    executor.fail(end, 1)
    assert reconciler.pass_once()
    reconciler.close()
    waiting = _submitted(client, f"{MONTH.year}07")
    with Session(app.state.engine) as session:
        states = {job: str(jobs.get(session, job).state) for job in (waiting, running, failed)}  # type: ignore[union-attr]  # they are there
    assert list(states.values()) == ["pending", "running", "failed"]
    spare = client.post("/keys", json={"name": "spare", "scope": "read"}).json()["id"]
    small = client.post("/keys", json={"name": "small", "scope": "read"}).json()["key"]
    there = {"job_id": [waiting, failed, running], "year_month": [str(MONTH)], "key_id": [spare]}
    return World(client, there, [KEY, KEY, KEY, KEY, small, WRONG, None])


def _submitted(client: httpx.Client, month: str) -> str:
    reply = client.post("/jobs", json={"yearMonth": month})
    assert reply.status_code == 202
    return str(reply.json()["id"])


@pytest.fixture
def operations(world: World) -> list[Any]:
    schema = schemathesis.openapi.from_url(f"{world.client.base_url}/openapi.json")
    return [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]


def test_every_operation_succeeds(world: World, operations: list[Any]) -> None:
    """With its own example, on what there is, each answers 2xx as it is described."""
    assert len(operations) > 15
    for operation in operations:
        described = operation.definition.raw
        content = described.get("requestBody", {}).get("content", {}).get("application/json", {})
        names = [parameter.name for parameter in operation.path_parameters]
        values = {name: world.there[name][-1] for name in names}
        if described["operationId"] == "retryJob":
            values = {"job_id": world.there["job_id"][1]}
        case = operation.Case(
            path_parameters=values, body=content.get("example", NOT_SET), media_type="application/json"
        )
        response = case.call(headers={"X-API-Key": KEY})
        assert 200 <= response.status_code < 300, (operation.label, response.text)
        case.validate_response(response, checks=CHECKS)


FULL = [pytest.mark.soak, pytest.mark.timeout(3600)]


@pytest.mark.parametrize(
    ("database_url", "count"),
    [
        ("sqlite", 100),
        ("postgresql", 200),
        *(pytest.param(database, 20_000, marks=FULL) for database in ("sqlite", "postgresql")),
    ],
    indirect=["database_url"],
    ids=["sqlite-small", "postgresql-small", "sqlite-full", "postgresql-full"],
)
def test_generated_requests(world: World, operations: list[Any], count: int) -> None:
    """Requests that follow the description and requests that do not, to every operation, with each kind of key."""
    # What takes no parameters has one request and no wrong ones.
    bare = [one for one in operations if not one.body and not list(one.iter_parameters())]
    rich = [one for one in operations if one not in bare]
    statuses: Counter[int] = Counter()
    for key in reversed(dict.fromkeys(world.keys)):  # the operator's last: what it ends, others may still ask for
        for operation in operations:
            _send(operation.as_strategy(), replace(world, keys=[key]), 1, statuses)
    for operation in bare:
        _send(operation.as_strategy(), world, 3, statuses)
    while (left := count - statuses.total()) > 0:
        for operation in rich:
            either = [operation.as_strategy(generation_mode=mode) for mode in schemathesis.GenerationMode]
            _send(st.one_of(either), world, -(-left // len(rich)), statuses)
    assert set(statuses) >= {200, 202, 401, 403, 404, 422}
    assert max(statuses) < 500


def _send(strategy: Cases, world: World, most: int, statuses: Counter[int]) -> None:
    """At most so many requests of one operation, half of them for something that there is."""

    @settings(max_examples=most, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(case=strategy, key=st.sampled_from(world.keys), choice=st.none() | st.integers(0, 5))
    def send(case: Any, key: str | None, choice: int | None) -> None:
        for name, values in world.there.items():
            if choice is not None and name in case.path_parameters:
                case.path_parameters[name] = values[choice % len(values)]
        response = case.call(headers={"X-API-Key": key} if key else {})
        statuses[response.status_code] += 1
        case.validate_response(response, checks=CHECKS)

    send()
