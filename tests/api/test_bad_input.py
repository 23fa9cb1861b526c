"""What a caller may get wrong, and what the service says to it."""

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from worker.contract.month import Month

NEXT_MONTH = str(Month.of(datetime.now(UTC)).next())


def refused(client: httpx.Client, content: str | bytes, **headers: str) -> httpx.Response:
    reply = client.post("/jobs", content=content, headers={"Content-Type": "application/json"} | headers)
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["status"] == reply.status_code
    assert client.get("/jobs").json()["jobs"] == []
    return reply


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"yearMonth": "202413"}, "yearMonth", "months go from 01 to 12"),
        ({"yearMonth": "2024"}, "yearMonth", "write it as YYYYMM"),
        ({"yearMonth": "201212"}, "yearMonth", "before the archive's first month, 201304"),
        ({"yearMonth": NEXT_MONTH}, "yearMonth", "is in the future"),
        ({"yearMonth": "2024-01-15"}, "yearMonth", "write it as YYYYMM"),
        ({"yearMonth": 202401}, "yearMonth", "a month is text"),
        ({}, "yearMonth", "is missing"),
        ({"yearMonth": "202401", "bbox": [1, 2, 3]}, "bbox", "four numbers (west, south, east, north), not 3"),
        ({"yearMonth": "202401", "bbox": [0, 10, 1, 5]}, "bbox", "south (10) is above north (5)"),
        ({"yearMonth": "202401", "bbox": [0, 0, 181, 5]}, "bbox", "east is 181, but must be from -180 to 180"),
        ({"yearMonth": "202401", "bbox": [0, -91, 1, 5]}, "bbox", "south is -91, but must be from -90 to 90"),
        ({"yearMonth": "202401", "bbox": [0, float("nan"), 1, 5]}, "bbox", "is not a finite number"),
        ({"yearMonth": "202401", "bbox": [0, 0, 1, "north"]}, "bbox", "'north' is not a number"),
        ({"yearMonth": "202401", "bbox": "California"}, "bbox", "four numbers"),
        ({"yearMonth": "202401", "month": "202401"}, "month", "unknown field"),
        ({"yearMonth": "202401", "collections": ["HLSX30"]}, "collections", "unknown collection 'HLSX30'"),
        ({"yearMonth": "202401", "collections": []}, "collections", "no collection given"),
        ({"yearMonth": "202401", "prefix": "../x"}, "prefix", "may not hold '..'"),
        ({"yearMonth": "202401", "prefix": "_jobs/x"}, "prefix", "starts with '_'"),
        ({"yearMonth": "202401", "prefix": ""}, "prefix", "the prefix is empty"),
        ({"yearMonth": "202401", "prefix": "x" * 200}, "prefix", "has 200 characters; at most 128"),
        ({"yearMonth": "202401", "prefix": "a\x00b"}, "prefix", "may hold only"),
        ({"yearMonth": "202401", "allowShrink": "perhaps"}, "allowShrink", "boolean"),
    ],
)
def test_a_faulty_field_is_named(empty_client: httpx.Client, body: dict[str, Any], field: str, message: str) -> None:
    """422 with the field's name and the contract's own words for what is wrong with it."""
    problem = refused(empty_client, json.dumps(body)).json()
    assert (problem["status"], problem["type"]) == (422, "urn:hls:problem:invalid-request")
    (fault,) = problem["errors"]
    assert fault["field"] == field
    assert message in fault["message"]
    assert not fault["message"].startswith("Value error")
    assert fault["message"] in problem["detail"]


def test_every_faulty_field_is_named(empty_client: httpx.Client) -> None:
    """Three faults are told in one reply."""
    body = {"yearMonth": "202413", "bbox": [1], "extra": 1}
    problem = refused(empty_client, json.dumps(body)).json()
    assert [fault["field"] for fault in problem["errors"]] == ["yearMonth", "bbox", "extra"]


@pytest.mark.parametrize(
    "content", ["{", "yearMonth=202401", "{'yearMonth': '202401'}", b"\xff\xfe{", b'{"a": "\xff"}']
)
def test_a_body_that_is_not_json(empty_client: httpx.Client, content: str | bytes) -> None:
    """400, and the message says what to send."""
    problem = refused(empty_client, content).json()
    assert (problem["status"], problem["type"]) == (400, "urn:hls:problem:not-json")
    assert "Send a JSON object" in problem["detail"]


@pytest.mark.parametrize("content", ["", "[]", '"202401"', "null", "7"])
def test_json_that_is_no_object(empty_client: httpx.Client, content: str) -> None:
    """422 for the body as a whole."""
    problem = refused(empty_client, content).json()
    assert problem["status"] == 422
    assert [fault["field"] for fault in problem["errors"]] == [""]


def test_json_under_another_name(empty_client: httpx.Client) -> None:
    """A body without its content type is not guessed at; the message names the header."""
    reply = empty_client.post("/jobs", content=b'{"yearMonth": "202401"}', headers={"Content-Type": "text/plain"})
    assert reply.status_code == 422
    assert "Content-Type: application/json" in reply.json()["detail"]


def test_a_key_that_is_no_key(empty_client: httpx.Client) -> None:
    """An empty or endless Idempotency-Key is refused."""
    for key in ("", "x" * 256):
        problem = refused(empty_client, '{"yearMonth": "202401"}', **{"Idempotency-Key": key}).json()
        assert [fault["field"] for fault in problem["errors"]] == ["Idempotency-Key"]


def test_unknown_addresses_and_methods(empty_client: httpx.Client) -> None:
    """404 and 405 are problems like any other, and 405 says what is allowed."""
    missing, wrong = empty_client.get("/nothing/here"), empty_client.delete("/jobs")
    assert (missing.status_code, missing.json()["type"]) == (404, "urn:hls:problem:not-found")
    assert (wrong.status_code, wrong.json()["type"]) == (405, "urn:hls:problem:method-not-allowed")
    assert "GET" in wrong.headers["allow"]
    for reply in (missing, wrong):
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.json()["requestId"] == reply.headers["x-request-id"]
