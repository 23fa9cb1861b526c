"""`/openapi.json` is worth reading: everything is described, and every example is true."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from api import errors
from api.app import create_app
from api.executors.memory import MemoryExecutor
from api.settings import Settings

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    return create_app(Settings(data_dir=tmp_path_factory.mktemp("data"), reconcile=False), executor=MemoryExecutor())


@pytest.fixture(scope="module")
def description(app: FastAPI) -> dict[str, Any]:
    return app.openapi()


def test_nothing_is_left_undescribed(description: dict[str, Any]) -> None:
    """Operations, parameters, bodies, answers, headers and fields have words; parameters, bodies, answers and errors an
    example."""
    assert list(_gaps(description)) == []


def test_a_gap_is_seen(description: dict[str, Any]) -> None:
    """The walk above finds what is taken away, of each sort."""
    spoilt = TypeAdapter(dict[str, Any]).validate_json(TypeAdapter(dict[str, Any]).dump_json(description))
    operation = spoilt["paths"]["/jobs/{job_id}"]["get"]
    operation["description"] = ""
    operation["parameters"][0] = {"name": "job_id", "in": "path", "schema": {"type": "string"}}
    del operation["responses"]["200"]["content"]["application/json"]["example"]
    del spoilt["components"]["schemas"]["JobOut"]["properties"]["id"]["description"]
    assert list(_gaps(spoilt)) == [
        "getJob: no description",
        "getJob: parameter job_id has no description",
        "getJob: parameter job_id has no example",
        "getJob: 200 has no example",
        "JobOut.id has no description",
    ]


def test_ids_tags_and_authentication(description: dict[str, Any]) -> None:
    """Operation ids are unique, every tag is described, and each operation but the probes names the ways to sign in."""
    operations = list(_operations(description))
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    described = {tag["name"] for tag in description["tags"] if tag["description"]}
    assert {tag for operation in operations for tag in operation["tags"]} == described
    assert {operation["operationId"] for operation in operations if not operation.get("security")} == {"live", "ready"}
    assert all(scheme["description"] for scheme in description["components"]["securitySchemes"].values())


def test_each_answer_in_the_description_is_one(app: FastAPI, description: dict[str, Any]) -> None:
    """The examples of answers are read by the models without a field too many or too few."""
    models = {route.operation_id: route.response_model for route in _routes(app)}
    checked = 0
    for operation in _operations(description):
        for status, reply in operation["responses"].items():
            example = reply.get("content", {}).get("application/json", {}).get("example")
            if status.startswith("2") and example is not None:
                adapter: TypeAdapter[Any] = TypeAdapter(models[operation["operationId"]])
                again = adapter.dump_python(adapter.validate_python(example), mode="json", by_alias=True)
                assert again == example, operation["operationId"]
                checked += 1
    assert checked > 10


def test_the_examples_name_what_there_is(
    tmp_path: Path, executor: MemoryExecutor, serve: Callable[..., httpx.Client]
) -> None:
    """Where everybody may read, ids are those of this service's own jobs; where a key is asked for, they are not."""
    open_client = serve(create_app(Settings(data_dir=tmp_path / "open", reconcile=False), executor=executor))
    job = open_client.post("/jobs", json={"yearMonth": "202401"}).json()
    assert _example(open_client, "getJob", "job_id") == _example(open_client, "cancelJob", "job_id") == job["id"]
    assert _example(open_client, "retryJob", "job_id") != job["id"]
    key = "a key of the operator"
    locked = serve(create_app(Settings(data_dir=tmp_path / "locked", reconcile=False, api_key=key), executor=executor))
    job = locked.post("/jobs", json={"yearMonth": "202401"}, headers={"X-API-Key": key}).json()
    assert _example(locked, "getJob", "job_id") != job["id"]


def _example(client: httpx.Client, operation_id: str, name: str) -> str:
    (operation,) = [
        each for each in _operations(client.get("/openapi.json").json()) if each["operationId"] == operation_id
    ]
    (parameter,) = [each for each in operation["parameters"] if each["name"] == name]
    return str(parameter["example"])


def _routes(app: FastAPI) -> list[APIRoute]:
    found = [route for route in app.routes if isinstance(route, APIRoute)]
    assert found
    return found


def _operations(description: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in description["paths"].values():
        yield from (operation for method, operation in path.items() if method in METHODS)


def _gaps(description: dict[str, Any]) -> Iterator[str]:
    schemas = description["components"]["schemas"]
    for operation in _operations(description):
        yield from (f"{operation['operationId']}: {gap}" for gap in _gaps_of(operation))
    for name, schema in schemas.items():
        if not schema.get("description"):
            yield f"{name} has no description"
        for field, described in schema.get("properties", {}).items():
            if not described.get("description"):
                yield f"{name}.{field} has no description"


def _gaps_of(operation: dict[str, Any]) -> Iterator[str]:
    for word in ("summary", "description", "tags"):
        if not operation.get(word):
            yield f"no {word}"
    for parameter in operation.get("parameters", ()):
        if not parameter.get("description"):
            yield f"parameter {parameter['name']} has no description"
        if "example" not in parameter and not parameter["schema"].get("examples"):
            yield f"parameter {parameter['name']} has no example"
    for media in operation.get("requestBody", {}).get("content", {}).values():
        if "example" not in media:
            yield "the body has no example"
    for status, reply in operation["responses"].items():
        if not reply.get("description"):
            yield f"{status} has no description"
        for kind, media in reply.get("content", {}).items():
            if kind in ("application/json", errors.MEDIA_TYPE) and not ("example" in media or media.get("examples")):
                yield f"{status} has no example"
        for name, header in reply.get("headers", {}).items():
            if not header.get("description"):
                yield f"{status}: header {name} has no description"
