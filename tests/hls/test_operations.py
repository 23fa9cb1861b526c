"""The client and the service's description say the same."""

import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

import httpx
import pytest

from hls import models
from hls.operations import OPERATIONS, Operation

NOT_OF_THE_CLIENT = {"live", "metrics", "downloadPartition", "whoAmI"}
"""For probes, Prometheus and readers of files."""


@pytest.fixture(scope="session")
def description(service_url: str) -> dict[str, Any]:
    content: dict[str, Any] = httpx.get(f"{service_url}/openapi.json").json()
    return content


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_each_call_is_described(description: dict[str, Any], operation: Operation) -> None:
    """Method, path, id, query and body are those of `/openapi.json`, and nothing that is required is left out."""
    described = description["paths"][operation.path][operation.method.lower()]
    assert described["operationId"] == operation.id
    parameters = [each for each in described.get("parameters", ()) if each["in"] == "query"]
    assert operation.query <= {each["name"] for each in parameters}
    assert {each["name"] for each in parameters if each.get("required")} <= operation.query
    body = _body(description, described)
    assert operation.body <= set(body.get("properties", ()))
    assert set(body.get("required", ())) <= operation.body


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if each.answer], ids=lambda operation: operation.id)
def test_each_answer_is_described(description: dict[str, Any], operation: Operation) -> None:
    """Every field that the client reads is in the answer's schema, with the same type, however deep."""
    described = description["paths"][operation.path][operation.method.lower()]
    answers = [answer for status, answer in described["responses"].items() if status.startswith("2")]
    schema = answers[-1]["content"]["application/json"]["schema"]
    assert schema["$ref"].rpartition("/")[2] == operation.answer
    assert _differences(getattr(models, operation.answer), schema, description, operation.answer) == []


def test_the_client_knows_every_call(description: dict[str, Any]) -> None:
    """A call that the service gains is given to the client, or named here as none of its business."""
    described = {each["operationId"] for path in description["paths"].values() for each in path.values()}
    assert described == {operation.id for operation in OPERATIONS} | NOT_OF_THE_CLIENT


def test_a_drift_is_seen(description: dict[str, Any]) -> None:
    """A field that is gone, and one whose type has changed, fail the comparison."""
    schema = {"$ref": "#/components/schemas/LogLineOut"}
    changed = {"components": {"schemas": {"LogLineOut": {"properties": {"text": {"type": "integer"}}}}}}
    assert _differences(models.LogLineOut, schema, changed, "line") == [
        "line.at is not in the answer",
        "line.text: the client reads str, the service writes {'type': 'integer'}",
    ]


def _body(description: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any]:
    content = operation.get("requestBody", {}).get("content", {})
    if not content:
        return {}
    return _resolved(content["application/json"]["schema"], description)


def _resolved(schema: dict[str, Any], description: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        found: dict[str, Any] = description["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return found
    return schema


_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", types.NoneType: "null"}


def _differences(kind: Any, schema: dict[str, Any], description: dict[str, Any], name: str) -> list[str]:
    """How the client's type and the service's schema differ."""
    schema = _resolved(schema, description)
    fault = [f"{name}: the client reads {getattr(kind, '__name__', kind)}, the service writes {schema}"]
    origin, arguments = get_origin(kind), get_args(kind)
    if is_typeddict(kind):
        properties, found = schema.get("properties", {}), []
        for field, hint in get_type_hints(kind).items():
            if field not in properties:
                found.append(f"{name}.{field} is not in the answer")
            else:
                found += _differences(hint, properties[field], description, f"{name}.{field}")
        return found
    if origin in (types.UnionType, Union):
        branches = schema.get("anyOf", [])
        if len(branches) != len(arguments):
            return fault
        return [
            d
            for part, branch in zip(arguments, branches, strict=True)
            for d in _differences(part, branch, description, name)
        ]
    if origin is Literal:
        return [] if set(schema.get("enum", ())) == set(arguments) else fault
    if origin is list:
        if schema.get("type") != "array":
            return fault
        items = [schema["items"]] if "items" in schema else schema["prefixItems"]
        return [d for each in items for d in _differences(arguments[0], each, description, f"{name}[]")]
    if origin is dict:
        if schema.get("type") != "object":
            return fault
        return _differences(arguments[1], schema["additionalProperties"], description, f"{name}{{}}")
    return [] if schema.get("type") == _PLAIN[kind] else fault
