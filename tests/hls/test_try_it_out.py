"""Every example of `/openapi.json`, sent as the page's "Try it out" sends it, gets the success that is documented."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from hls.client import Client
from hls.processes import server

KEY = "a key of the operator"
IN_ORDER = ("submitJob", "getJob", "cancelJob", "listJobEvents", "readJobLogs", "retryJob", "listJobs")
AFTER_THE_HARVEST = ("getPartition", "downloadPartition", "listPartitions", "refreshPartitions")
OF_ALL = ("whoAmI", "createKey", "listKeys", "live", "ready", "metrics")


@pytest.mark.timeout(240)
def test_each_example_works(service_url: str, tmp_path: Path) -> None:
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
    environment = {"HLS_DATA_DIR": str(tmp_path / "data"), "HLS_PORT": "0", "HLS_API_KEY": KEY}
    with (
        server("api", log=tmp_path / "log", environment=environment) as url,
        httpx.Client(base_url=url, timeout=30, headers={"X-API-Key": KEY}) as locked,
    ):
        for operation in OF_ALL:
            _try(locked, operation)
            tried.add(operation)
        made = next(each for each in locked.get("/keys").json()["keys"] if each["createdBy"] == "operator")
        _try(locked, "revokeKey", key_id=made["id"])  # the one id that nobody may read without a key
        tried.add("revokeKey")
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
