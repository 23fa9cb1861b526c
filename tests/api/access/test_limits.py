"""How much, how large, how often and how long: each limit is a setting and answers with a problem."""

import threading
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from api.access import credentials
from api.access.scopes import Scope
from api.app import create_app
from api.db import Transaction
from api.executors.memory import MemoryExecutor
from api.settings import Settings
from tests.api.access.conftest import STATIC, MakeKey, bearer
from tests.api.conftest import Serve

OPERATOR = bearer(STATIC)
Limited = Callable[..., httpx.Client]


@pytest.fixture
def limited(settings: Settings, executor: MemoryExecutor, serve: Serve) -> Limited:
    """A client without a key of a service with these limits and the static key, or with `api_key=None` without."""

    def made(**limits: object) -> httpx.Client:
        values = {"reconcile": False, "api_key": STATIC, **limits}
        return serve(create_app(Settings(**settings.model_dump() | values), executor=executor))

    return made


def refused(reply: httpx.Response, status: int, slug: str) -> httpx.Response:
    assert (reply.status_code, reply.json()["type"]) == (status, f"urn:hls:problem:{slug}")
    assert reply.headers["content-type"] == "application/problem+json"
    if status in (429, 503):
        assert 1 <= int(reply.headers["retry-after"]) <= 60
    return reply


def test_a_body_that_is_too_large(limited: Limited) -> None:
    """413, whether it states its length or comes in pieces, before or after the key is looked at; one at the limit is read."""
    client = limited(max_body_bytes=2000)
    body = b'{"yearMonth": "202401"' + b" " * 1977 + b"}"
    headers = {**OPERATOR, "Content-Type": "application/json"}
    assert len(body) == 2000
    assert client.post("/jobs", content=body, headers=headers).status_code == 202
    refused(client.post("/jobs", content=body + b" ", headers=headers), 413, "body-too-large")

    def pieces() -> Iterator[bytes]:
        for start in range(0, 4000, 500):
            yield (body * 2)[start : start + 500]

    refused(client.post("/jobs", content=pieces(), headers=headers), 413, "body-too-large")
    refused(client.post("/jobs", content=b"x" * 3000), 413, "body-too-large")


def test_a_page_that_is_too_large(limited: Limited) -> None:
    """422 with the field and the most that may be asked for."""
    client = limited(max_page_size=10)
    assert client.get("/jobs?limit=10", headers=OPERATOR).status_code == 200
    reply = refused(client.get("/jobs?limit=11", headers=OPERATOR), 422, "invalid-request")
    assert reply.json()["errors"] == [
        {"field": "limit", "message": "a page has at most 10 jobs; follow `nextCursor` for more"}
    ]
    assert client.get("/jobs", headers=OPERATOR).status_code == 200, "what asks for no size gets what there is"


def test_too_many_requests_of_a_key(limited: Limited, executor: MemoryExecutor) -> None:
    """429 for the key that has spent its minute; another key, and the open routes, go on."""
    client = limited(requests_per_minute=5)
    other = client.post("/keys", json={"name": "other", "scope": "read"}, headers=OPERATOR).json()["key"]
    statuses = [client.get("/whoami", headers=OPERATOR).status_code for _ in range(5)]
    assert statuses == [200] * 4 + [429]
    refused(client.get("/jobs", headers=OPERATOR), 429, "too-many-requests")
    assert client.get("/jobs", headers=bearer(other)).status_code == 200
    assert client.get("/healthz").status_code == 200


def test_too_many_requests_of_an_address(limited: Limited) -> None:
    """Who sends no key is counted by address; who sends one is not in that count."""
    client = limited(requests_per_minute=3, public_reads=True)
    assert [client.get("/jobs").status_code for _ in range(4)] == [200, 200, 200, 429]
    refused(client.get("/partitions"), 429, "too-many-requests")
    assert client.get("/jobs", headers=OPERATOR).status_code == 200


def test_a_service_of_ones_own_has_no_limit_unless_set(limited: Limited, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without keys nobody is counted by default, and with one everybody is; a limit that is set holds for everybody."""
    monkeypatch.setattr(credentials, "DEFAULT_REQUESTS_PER_MINUTE", 2)
    client = limited(api_key=None)
    assert [client.get("/whoami").status_code for _ in range(3)] == [200, 200, 200]
    client = limited()
    assert [client.get("/whoami", headers=OPERATOR).status_code for _ in range(3)] == [200, 200, 429]
    client = limited(api_key=None, requests_per_minute=1)
    assert [client.get("/whoami").status_code for _ in range(2)] == [200, 429]


def test_too_many_wrong_keys(limited: Limited, executor: MemoryExecutor) -> None:
    """The address waits, for its wrong keys only: a key that was right before passes, and so does the static one."""
    client = limited(wrong_keys_per_minute=3)
    good = client.post("/keys", json={"name": "good", "scope": "read"}, headers=OPERATOR).json()["key"]
    assert client.get("/jobs", headers=bearer(good)).status_code == 200
    statuses = [client.get("/jobs", headers=bearer(f"wrong-{number}")).status_code for number in range(5)]
    assert statuses == [401, 401, 401, 429, 429]
    refused(client.get("/jobs", headers={"X-API-Key": "wrong"}), 429, "too-many-wrong-keys")
    assert client.get("/jobs", headers=bearer(good)).status_code == 200
    assert client.get("/jobs", headers=OPERATOR).status_code == 200
    assert client.get("/jobs").status_code == 401


def test_too_many_jobs(limited: Limited) -> None:
    """No new job beyond the limit, 429; an equal one of those that there are is still answered; room comes with an end."""
    client = limited(max_active_jobs=2)
    first, second = (
        client.post("/jobs", json={"yearMonth": month}, headers=OPERATOR).json() for month in ("202401", "202402")
    )
    refused(client.post("/jobs", json={"yearMonth": "202403"}, headers=OPERATOR), 429, "too-many-jobs")
    assert client.post("/jobs", json={"yearMonth": "202402"}, headers=OPERATOR).json()["id"] == second["id"]
    client.post(first["links"]["cancel"], headers=OPERATOR)
    assert client.post("/jobs", json={"yearMonth": "202403"}, headers=OPERATOR).status_code == 202
    refused(client.post(f"/jobs/{first['id']}/retry", headers=OPERATOR), 429, "too-many-jobs")


_ENDLESS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
    "postgresql": "SELECT pg_sleep(60)",
}


def test_a_query_that_takes_too_long(guarded: Settings, executor: MemoryExecutor, serve: Serve) -> None:
    """It is stopped on either database, the caller gets 503, and the connection is good for the next."""
    app = create_app(guarded.model_copy(update={"query_seconds": 0.3}), executor=executor)

    @app.get("/endless")
    def endless(session: Transaction) -> None:
        session.connection().execute(text(_ENDLESS[session.connection().dialect.name]))

    client = serve(app)
    began = time.monotonic()
    refused(client.get("/endless"), 503, "query-too-slow")
    assert time.monotonic() - began < 20
    assert client.get("/jobs", headers=OPERATOR).status_code == 200


def test_another_sites_page_changes_nothing(limited: Limited) -> None:
    """403 for a change that a browser says another site asked for, even where no key is needed; looking is free."""
    client = limited(api_key=None)
    for site in ("cross-site", "same-site"):
        reply = client.post("/jobs", json={"yearMonth": "202401"}, headers={"Sec-Fetch-Site": site})
        refused(reply, 403, "cross-site")
    assert client.get("/jobs", headers={"Sec-Fetch-Site": "cross-site"}).json()["jobs"] == []
    for site in ("same-origin", "none"):
        job = client.post("/jobs", json={"yearMonth": "202401"}, headers={"Sec-Fetch-Site": site})
        assert job.status_code in (200, 202)


def test_every_reply_has_its_security_headers(limited: Limited) -> None:
    """Also those that are refused before any route; the documentation's page has its own policy."""
    client = limited(max_body_bytes=1024)
    replies = [
        client.get("/jobs"),
        client.get("/nothing"),
        client.post("/jobs", content=b"x" * 2000),
        client.get("/jobs", headers=OPERATOR),
        client.get("/healthz"),
    ]
    for reply in replies:
        assert reply.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert reply.headers["cache-control"] == "no-store"
    for reply in (*replies, client.get("/docs")):
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["x-frame-options"] == "DENY"
        assert reply.headers["referrer-policy"] == "same-origin"
        assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]


def test_counting_is_safe_in_threads(app: FastAPI, client: httpx.Client, make_key: MakeKey) -> None:
    """Many requests at once of one key are all counted and none is lost or doubled."""
    key = make_key(Scope.READ)
    app.state.access._requests = type(app.state.access._requests)(30)
    statuses: list[int] = []

    def call() -> None:
        statuses.extend(client.get("/whoami", headers=bearer(key)).status_code for _ in range(10))

    threads = [threading.Thread(target=call) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (statuses.count(200), statuses.count(429)) == (30, 20)
