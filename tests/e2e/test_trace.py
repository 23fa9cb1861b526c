"""A failing job is followed by its id through the logs of the API, of the reconciler and of its worker."""

import json
import os
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
from batch_service import service
from lives import Lives

KEY = "correct horse battery staple"
REQUEST = "request-of-mine.1"
Lines = list[dict[str, Any]]


def _lines(log: Path) -> Lines:
    found = []
    for line in log.read_bytes().splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue  # the last one may be half written
    return found


def test_a_failing_job_is_traced_through_three_logs(lives: Lives, tmp_path: Path) -> None:
    """Three processes, three logs: each has lines with the job's id and the request's, and the worker's says why."""
    logs = {name: tmp_path / f"{name}.log" for name in ("api", "reconciler")}
    environment = {
        "HLS_DATA_DIR": str(tmp_path / "data"),
        "HLS_PORT": "0",
        "HLS_API_KEY": KEY,
        "HLS_RECONCILE": "false",
        "HLS_RECONCILE_SECONDS": "0.2",
        "STAC_API_URL": "http://127.0.0.1:9/",
        "TEMP_DIR": os.devnull,  # no directory, so that the worker fails at once and is not tried again
    }
    with ExitStack() as stack:
        api = stack.enter_context(service(lives, environment, logs["api"]))
        reconciler = stack.enter_context(service(lives, environment, logs["reconciler"], "reconcile"))
        for process in (api, reconciler):
            process.start()
        client = stack.enter_context(httpx.Client(base_url=api.url(), headers={"X-API-Key": KEY}, timeout=30))
        job = client.post("/jobs", json={"yearMonth": "202401"}, headers={"X-Request-ID": REQUEST}).json()
        deadline = time.monotonic() + 90
        while (job := client.get(job["links"]["self"]).json())["status"] != "failed":
            assert time.monotonic() < deadline, job
            time.sleep(0.1)
        logged = client.get(job["links"]["logs"]).json()["lines"]
    worker = [json.loads(line["text"]) for line in logged]
    of_job = {name: [line for line in _lines(log) if line.get("jobId") == job["id"]] for name, log in logs.items()}
    of_job["worker"] = [line for line in worker if line.get("jobId") == job["id"]]
    of_request = {name: [line for line in lines if line.get("requestId") == REQUEST] for name, lines in of_job.items()}
    assert job["failure"]["code"] == "STORAGE"
    assert {"put", "request"} <= {line.get("action") for line in of_job["api"]}
    assert [line["action"] for line in of_request["api"]] == ["put"]
    assert {"submit", "end"} <= {line["action"] for line in of_request["reconciler"]}
    assert {"begin", "end"} <= {line["action"] for line in of_request["worker"]}
    assert of_job["worker"][-1]["message"] in job["failure"]["message"] + "."
    for name, lines in of_job.items():
        assert all(line["time"] and line["level"] and line["logger"] for line in lines), name
    assert KEY not in logs["api"].read_text()
