"""The service's log: a line a request with who sent it, and no secrets."""

import json
import logging
import time

import httpx
import pytest

from api.app import create_app
from api.executors.memory import MemoryExecutor
from api.logs import JsonFormatter
from api.settings import Settings
from tests.api.conftest import Serve

KEY = 'correct "horse" bättery'


def test_the_settings_key_is_in_no_line() -> None:
    """It has no form that a pattern tells, so the formatter is told it; the line stays JSON."""
    record = logging.makeLogRecord({"msg": "sent %s", "args": (KEY,), "headers": {"x-api-key": KEY}})
    line = JsonFormatter(KEY).format(record)
    assert json.loads(line)["message"] == "sent ***"
    assert json.loads(line)["headers"] == {"x-api-key": "***"}


@pytest.fixture
def client(settings: Settings, executor: MemoryExecutor, serve: Serve) -> httpx.Client:
    changes = {"api_key": "correct horse battery staple", "reconcile": False}
    return serve(create_app(Settings(**settings.model_dump() | changes), executor=executor))


def test_who_did_what_is_in_the_log(client: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    """Each request's line names its caller; a cancel, a look at the archive and a revoked key have lines of their own."""
    operator = {"X-API-Key": "correct horse battery staple"}
    with caplog.at_level(logging.INFO):
        made = client.post("/keys", json={"name": "ada", "scope": "admin"}, headers=operator).json()
        ada = {"X-API-Key": made["key"]}
        job = client.post("/jobs", json={"yearMonth": "202401"}, headers=operator).json()["id"]
        client.post(f"/jobs/{job}/cancel", headers=ada)
        client.post("/partitions/refresh", headers=ada)
        client.delete(f"/keys/{made['id']}", headers=operator)
        client.get("/jobs")
        while sum(getattr(line, "action", None) == "request" for line in caplog.records) < 6:
            time.sleep(0.01)  # a request's line comes after its reply
    told = [(getattr(line, "action", None), getattr(line, "who", None)) for line in caplog.records]
    name = f"ada ({made['id']})"
    for each in (("cancel", name), ("refresh", name), ("key", "operator")):
        assert each in told
    assert [who for action, who in told if action == "request"] == [*["operator"] * 2, name, name, "operator", None]
    (row,) = [key for key in client.get("/keys", headers=operator).json()["keys"] if key["id"] == made["id"]]
    assert row["revokedBy"] == "operator"
