"""Which names and pages a service answers to: its own machine's while it asks for no key, and its own site's."""

from collections.abc import Callable

import httpx
import pytest

from api.access.sites import is_of_host, is_this_machine
from api.app import create_app
from api.executors.memory import MemoryExecutor
from api.settings import Settings
from tests.api.conftest import Serve

KEY = "correct horse battery staple"
JOB = {"yearMonth": "202401"}
Made = Callable[..., httpx.Client]


@pytest.fixture
def made(settings: Settings, executor: MemoryExecutor, serve: Serve) -> Made:
    """A client of a service that does not reconcile, with these settings."""

    def client(**changes: object) -> httpx.Client:
        return serve(create_app(Settings(**settings.model_dump() | {"reconcile": False} | changes), executor=executor))

    return client


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_name_that_was_led_here(made: Made, method: str) -> None:
    """A service without keys answers to this machine's names only; with a key it answers to any."""
    client = made()
    for host in ("evil.example:8000", "evil.example", "localhost.evil.example", "[2001:db8::1]:80", "127.0.0.1.nip.io"):
        reply = client.request(method, "/jobs", json=JOB, headers={"Host": host})
        assert (reply.status_code, reply.json()["type"]) == (403, "urn:hls:problem:foreign-host")
    for host in ("localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000"):
        assert client.request(method, "/jobs", json=JOB, headers={"Host": host}).status_code < 300
    guarded = made(api_key=KEY)
    reply = guarded.request(method, "/jobs", json=JOB, headers={"Host": "hls.example", "X-API-Key": KEY})
    assert reply.status_code < 300


def test_the_first_key_opens_it_to_any_name(made: Made) -> None:
    """A key made here or beside the service counts at once."""
    client = made()
    key = client.post("/keys", json={"name": "ada", "scope": "admin"}).json()["key"]
    for headers, status in (({"X-API-Key": key}, 200), ({}, 401)):
        assert client.get("/jobs", headers={"Host": "hls.example", **headers}).status_code == status


@pytest.mark.parametrize("api_key", [None, KEY])
@pytest.mark.parametrize(
    "origin", ["http://evil.example", "https://evil.example:8000", "null", "http://127.0.0.1:1", ""]
)
def test_another_sites_page_says_so_itself(made: Made, origin: str, api_key: str | None) -> None:
    """A change that names another origin than the host is refused, with a key and without; looking is not."""
    client = made(api_key=api_key)
    headers = {"Origin": origin, "X-API-Key": KEY}
    for path, body in (("/jobs", JOB), ("/keys", {"name": "ada", "scope": "admin"}), ("/sign-in", {})):
        reply = client.post(path, json=body, headers=headers)
        assert reply.status_code == 403
        assert reply.json()["type"] == "urn:hls:problem:cross-site"
    assert client.get("/jobs", headers=headers).status_code == 200


def test_its_own_page_may_ask(made: Made) -> None:
    """By the name under which it is called, whatever that is, with a key that its host is known by."""
    client = made(api_key=KEY)
    for host, origin in (
        ("hls.example", "https://hls.example"),
        ("HLS.example:443", "https://hls.example"),
        ("hls.example:8000", "http://hls.example:8000"),
    ):
        headers = {"Host": host, "Origin": origin, "X-API-Key": KEY}
        assert client.post("/jobs", json=JOB, headers=headers).status_code in (200, 202)


@pytest.mark.parametrize("text", ["", "::", "[", "a:b", "http://[::1", "http://a:99999", "file:///x", "http://"])
def test_what_is_no_address(text: str) -> None:
    """Is nobody's."""
    assert not is_this_machine(text)
    assert not is_of_host(text, "127.0.0.1")
    assert not is_of_host("http://127.0.0.1", text)
