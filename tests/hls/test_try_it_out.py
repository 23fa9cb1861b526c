"""Every example of `/openapi.json`, sent as the page's "Try it out" sends it, gets the success that is documented."""

from typing import Any

import httpx
import pytest

from hls.client import Client
from tests.hls.conftest import KEY

IN_ORDER = ("submitJob", "getJob", "cancelJob", "listJobEvents", "readJobLogs", "retryJob", "listJobs")
AFTER_THE_HARVEST = ("getPartition", "downloadPartition", "listPartitions", "refreshPartitions", "ready")
OF_ALL = ("whoAmI", "createKey", "listKeys", "live", "metrics")


@pytest.mark.timeout(240)
def test_each_example_works(service_url: str, locked_url: str) -> None:
    """In the order of a job's life on a service with a source; keys on a service that has an operator."""
    tried = set()
    with httpx.Client(base_url=service_url, timeout=30) as caller, Client(service_url) as client:
        for operation in IN_ORDER:
            reply = _try(caller, operation)
            tried.add(operation)
            if operation == "cancelJob":
                *_, cancelled = client.watch(reply.json()["id"], every=0.1)
                assert cancelled["status"] == "cancelled"
            if operation == "retryJob":
                job_id = reply.json()["id"]
        *_, job = client.watch(job_id, every=0.1)
        assert job["status"] == "succeeded"
        for operation in AFTER_THE_HARVEST:
            _try(caller, operation)
            tried.add(operation)
    with httpx.Client(base_url=locked_url, timeout=30, headers={"X-API-Key": KEY}) as locked:
        answers = {operation: _try(locked, operation) for operation in OF_ALL}
        # The one id that nobody may read without a key.
        answers["revokeKey"] = _try(locked, "revokeKey", key_id=answers["createKey"].json()["id"])
        tried |= set(answers)
        described = locked.get("/openapi.json").json()
    assert tried == {each["operationId"] for path in described["paths"].values() for each in path.values()}


def _try(caller: httpx.Client, operation_id: str, **known: str) -> httpx.Response:
    description = caller.get("/openapi.json").json()
    (found,) = [
        (path, method, operation)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
        if operation["operationId"] == operation_id
    ]
    path, method, operation = found
    query: dict[str, Any] = {}
    headers: dict[str, str] = {}
    for parameter in operation.get("parameters", ()):
        value = known.get(parameter["name"], _example(parameter))
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", value)
        elif parameter["in"] == "header":
            headers[parameter["name"]] = value
        else:
            query[parameter["name"]] = value
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    reply = caller.request(method, path, params=query, headers=headers, json=content.get("example"))
    assert str(reply.status_code) in operation["responses"], (operation_id, reply.text)
    assert reply.status_code < 300, (operation_id, reply.text)
    return reply


def _example(parameter: dict[str, Any]) -> Any:
    return parameter.get("example", parameter["schema"].get("examples", [None])[0])
