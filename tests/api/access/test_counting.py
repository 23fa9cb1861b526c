"""What is counted beside keys and requests with keys: sessions, sign-ins, and what is open to everybody."""

import sys
import threading
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from api.access import keys
from api.access.credentials import COOKIE
from api.access.known import Caller, Known
from api.access.scopes import Scope
from api.app import create_app
from api.executors.memory import MemoryExecutor
from api.settings import Settings
from tests.api.access.conftest import MakeKey
from tests.api.conftest import Serve


@pytest.fixture
def guarded(guarded: Settings) -> Settings:
    return guarded.model_copy(update={"wrong_keys_per_minute": 4, "requests_per_minute": 6})


def cookie(token: str) -> dict[str, str]:
    return {"Cookie": f"{COOKIE}={token}"}


def rows(app: FastAPI) -> int:
    with app.state.engine.begin() as connection:
        return int(connection.execute(text("SELECT count(*) FROM api_sessions")).scalar_one())


def test_guessed_sessions_are_wrong_keys(client: httpx.Client, make_key: MakeKey) -> None:
    """After as many the address waits; a session that was right before passes."""
    assert client.post("/sign-in", data={"key": make_key(Scope.READ)}).status_code == 303
    good = client.cookies[COOKIE]
    client.cookies.clear()
    assert client.get("/jobs", headers=cookie(good)).status_code == 200
    statuses = [client.get("/jobs", headers=cookie(f"guess-{number}")).status_code for number in range(6)]
    assert statuses == [401, 401, 401, 401, 429, 429]
    assert client.get("/jobs", headers=cookie("another")).json()["type"] == "urn:hls:problem:too-many-wrong-keys"
    assert client.get("/jobs", headers=cookie(good)).status_code == 200


def test_a_session_that_is_over_is_forgotten_by_the_browser(client: httpx.Client) -> None:
    """On the way to the sign-in, so that it is not counted again and again."""
    reply = client.get("/", headers=cookie("over"))
    assert reply.status_code == 303
    assert f'{COOKIE}="";' in reply.headers["set-cookie"]
    assert "set-cookie" not in client.get("/").headers


def test_sign_ins_are_counted_with_the_key(client: httpx.Client, app: FastAPI, make_key: MakeKey) -> None:
    """A valid key makes as many sessions as requests, and the form says when to try again."""
    key = make_key(Scope.READ)
    replies = [client.post("/sign-in", data={"key": key}) for _ in range(8)]
    assert [reply.status_code for reply in replies] == [303] * 6 + [429] * 2
    assert int(replies[-1].headers["retry-after"]) > 0
    assert "requests a minute" in replies[-1].text
    assert rows(app) == 6


@pytest.mark.parametrize(("method", "path"), [("GET", "/openapi.json"), ("POST", "/sign-out")])
def test_open_routes_that_cost_something_are_counted(client: httpx.Client, method: str, path: str) -> None:
    """By address."""
    statuses = [client.request(method, path).status_code for _ in range(7)]
    assert statuses[-2] < 400
    assert statuses[-1] == 429


def test_a_service_without_keys_keeps_no_sessions(settings: Settings, executor: MemoryExecutor, serve: Serve) -> None:
    """Signing in leads on, with no cookie and no row."""
    app = create_app(settings.model_copy(update={"reconcile": False}), executor=executor)
    reply = serve(app).post("/sign-in", data={"key": "whatever", "next": "/ui/jobs"})
    assert (reply.status_code, reply.headers["location"]) == (303, "/ui/jobs")
    assert "set-cookie" not in reply.headers
    assert rows(app) == 0


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads change places as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("hasty")
def test_what_is_known_is_safe_in_threads() -> None:
    """A key that is revoked while others of its requests are under way is no fault."""
    known, faults = Known(), list[BaseException]()
    caller = Caller("ada", Scope.READ)
    digest = keys.digest("key")

    def turn() -> None:
        try:
            for _ in range(20_000):
                known.add(digest, caller)
                known.discard(digest)
        except BaseException as fault:  # noqa: BLE001  told by the assertion
            faults.append(fault)

    threads = [threading.Thread(target=turn) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
