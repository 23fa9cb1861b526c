"""Which scope each route needs: by the code, by docs/security.md, and by trying."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from routes_of import OPEN, VISITOR, scopes

from api.access import keys
from api.access.scopes import Scope
from api.app import create_app
from api.executors.memory import MemoryExecutor
from api.settings import Settings
from tests.api.access.conftest import STATIC, MakeKey, bearer
from tests.api.conftest import Serve

SECURITY = (Path(__file__).parents[3] / "docs/security.md").read_text()
_ROW = re.compile(r"^\| `([A-Z]+ /\S*)` \| (\w+) \|$", re.MULTILINE)


@pytest.fixture
def guarded(guarded: Settings) -> Settings:
    """So many requests and wrong keys must not make the address wait."""
    return guarded.model_copy(update={"wrong_keys_per_minute": 10_000, "requests_per_minute": 10_000})


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """One kind is enough: what is tried here ends before any query but the key's."""
    return f"sqlite:///{tmp_path / 'test.sqlite'}"


def test_the_table_is_that_of_the_code(app: FastAPI) -> None:
    """docs/security.md lists each route with the scope that its code declares, and no others."""
    assert dict(_ROW.findall(SECURITY)) == scopes(app)


def test_each_route_asks_for_its_scope(client: httpx.Client, app: FastAPI, make_key: MakeKey) -> None:
    """401 without a key, with a wrong, a revoked and an expired one; 403 with too small a scope, and else neither."""
    enough = {scope: make_key(scope) for scope in Scope}
    tried = 0
    for method, path, scope in _guarded(app):
        for headers in ({}, *_dead(make_key)):
            _expect(client.request(method, path, headers=headers), 401, "unauthorized")
        for small in (one for one in Scope if not one.covers(Scope(scope))):
            _expect(client.request(method, path, headers=bearer(enough[small])), 403, "forbidden")
        reply = client.request(method, path, headers=bearer(enough[Scope(scope)]))
        assert reply.status_code not in (401, 403), (method, path, reply.text)
        tried += 1
    assert tried >= 16


def test_open_routes_say_little(client: httpx.Client, app: FastAPI, guarded: Settings, make_key: MakeKey) -> None:
    """Each of them answers without a key and with one that is over, and tells neither addresses nor secrets."""
    answers = {
        "GET /healthz": ("", 200),
        "GET /readyz": ("", 200),
        "GET /docs": ("", 200),
        "GET /docs/assets": ("/swagger-ui.css", 200),
        "GET /openapi.json": ("", 200),
        "GET /ui/static/{name}": ("", 200),
        "POST /sign-in": ("", 401),
        "POST /sign-out": ("", 303),
    }
    assert set(answers) == {route for route, scope in scopes(app).items() if scope == OPEN}
    for route, (rest, status) in answers.items():
        method, _, path = route.partition(" ")
        for headers in ({}, *_dead(make_key)):
            reply = client.request(method, path.format(name="page.css") + rest, headers=headers)
            assert reply.status_code == status, route
            for hidden in (STATIC, str(guarded.data_dir), guarded.database_url):
                assert hidden not in reply.text


@pytest.mark.parametrize("key", ["x", "hls_", "hls_0123456789ab_" + "0" * 64, "\xff", "ä", STATIC[:-1], STATIC + "x"])
def test_what_is_no_key(client: httpx.Client, key: str) -> None:
    """401, whatever it looks like."""
    raw = key.encode("latin-1")
    _expect(client.get("/jobs", headers=[(b"X-API-Key", raw)]), 401, "unauthorized")
    _expect(client.get("/jobs", headers=[(b"Authorization", b"Bearer " + raw)]), 401, "unauthorized")


def test_secrets_are_hidden(guarded: Settings, make_key: MakeKey) -> None:
    """Settings do not show them, and a key's digest is not the key."""
    settings = guarded.model_copy(update={"api_key": SecretStr(STATIC), "database_url": "postgresql://u:veiled@h/n"})
    assert STATIC not in repr(settings)
    assert "veiled" not in repr(settings)
    key = make_key(Scope.READ)
    assert key not in keys.digest(key)


def _guarded(app: FastAPI) -> Iterator[tuple[str, str, str]]:
    for route, scope in scopes(app).items():
        method, _, path = route.partition(" ")
        if scope not in (OPEN, VISITOR):
            yield method, _filled(path), scope


def _dead(make_key: MakeKey) -> list[dict[str, str]]:
    """Headers with what does not hold: keys that are revoked, over and wrong, and the cookie of no session."""
    over = [make_key(Scope.ADMIN, revoked=True), make_key(Scope.ADMIN, seconds=-1), f"{make_key(Scope.ADMIN)[:-1]}x"]
    return [*map(bearer, over), {"Cookie": "hls_session=nope"}]


def _filled(path: str) -> str:
    return path.format(job_id="0" * 16, year_month="202401", key_id="0" * 12)


def _expect(reply: httpx.Response, status: int, slug: str) -> None:
    assert reply.status_code == status, reply.request.url
    if not reply.request.url.path.startswith("/ui/"):  # pages tell it in HTML
        assert reply.json()["type"] == f"urn:hls:problem:{slug}", reply.request.url


def test_pages_send_who_has_no_key_to_the_sign_in(client: httpx.Client, app: FastAPI, make_key: MakeKey) -> None:
    """Without a key, with a wrong, a revoked and an expired one, and with no session."""
    pages = [route.removeprefix("GET ") for route, scope in scopes(app).items() if scope == VISITOR]
    assert "/sign-in" in pages
    for path in pages:
        for headers in ({}, *_dead(make_key)):
            reply = client.get(_filled(path), headers=headers)
            if path == "/sign-in":
                assert reply.status_code == 200
            else:
                assert (reply.status_code, reply.headers["location"].partition("?")[0]) == (303, "/sign-in"), path


def test_a_service_of_ones_own_asks_nobody(settings: Settings, executor: MemoryExecutor, serve: Serve) -> None:
    """Without any key, on this machine, every route is open."""
    app = create_app(settings.model_copy(update={"reconcile": False}), executor=executor)
    client = serve(app)
    for method, path, _scope in _guarded(app):
        if path != "/keys":
            assert client.request(method, path).status_code not in (401, 403)
