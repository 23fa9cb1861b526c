"""The service behind a load balancer: who calls, how, and that the balancer's own question is answered."""

from collections.abc import Callable
from threading import Thread

import httpx
import pytest

from api import probes
from api.app import create_app
from api.executors.memory import MemoryExecutor
from api.settings import Settings

Serve = Callable[..., httpx.Client]
Behind = Callable[..., httpx.Client]
KEY = "correct horse battery staple"


@pytest.fixture
def behind(
    settings: Settings, executor: MemoryExecutor, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., httpx.Client]:
    """A client of a service with a key and these settings that trusts the balancers of a network."""

    def made(network: str, **changes: object) -> httpx.Client:
        monkeypatch.setenv("FORWARDED_ALLOW_IPS", network)
        values = {"reconcile": False, "api_key": KEY, **changes}
        return serve(create_app(Settings(**settings.model_dump() | values), executor=executor))

    return made


def from_address(address: str) -> dict[str, str]:
    """What a balancer adds; the first address is what a caller made up."""
    return {"X-Forwarded-For": f"127.0.0.9, {address}", "X-Forwarded-Proto": "https", "X-API-Key": "wrong"}


def test_callers_are_told_apart(behind: Behind) -> None:
    """By the address that a trusted balancer gives: one who guesses does not make the others wait."""
    client = behind("127.0.0.0/8", wrong_keys_per_minute=2)
    statuses = [client.get("/jobs", headers=from_address("203.0.113.7")).status_code for _ in range(3)]
    assert statuses == [401, 401, 429]
    reply = client.get("/jobs", headers=from_address("203.0.113.8"))
    assert reply.status_code == 401
    assert "strict-transport-security" in reply.headers


def test_a_strangers_word_is_not_taken(behind: Behind) -> None:
    """Who is not a balancer is counted by its own address, and on HTTP, whatever it says."""
    client = behind("10.0.0.0/16", wrong_keys_per_minute=2)
    replies = [client.get("/jobs", headers=from_address(f"203.0.113.{number}")) for number in range(3)]
    assert [reply.status_code for reply in replies] == [401, 401, 429]
    assert "strict-transport-security" not in replies[0].headers


def test_readiness_is_never_refused(behind: Behind, executor: MemoryExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it is asked for, the balancer gets its answer; what the service stands on is asked once a second."""
    asked: list[str] = []
    check = executor.check

    def checked() -> None:
        asked.append("executor")
        check()

    monkeypatch.setattr(executor, "check", checked)
    monkeypatch.setattr(probes, "KEPT_SECONDS", 60)
    client = behind("127.0.0.0/8", requests_per_minute=3)
    threads = [Thread(target=client.get, args=("/readyz",)) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.get("/readyz").status_code == 200
    assert asked == ["executor"]


def test_readiness_is_asked_anew(behind: Behind, executor: MemoryExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the answer is no longer good, the next one tells what has changed, either way."""
    monkeypatch.setattr(probes, "KEPT_SECONDS", 0)
    client = behind("127.0.0.0/8")
    assert client.get("/readyz").status_code == 200
    executor.outage = "closed for repair"
    assert not client.get("/readyz").json()["executor"]["ok"]
    executor.outage = None
    assert client.get("/readyz").json()["ready"]
