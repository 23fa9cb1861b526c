"""The health check of the service's image, for each of its commands."""

import socket
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import Engine
from sqlmodel import Session

from api import db
from api.health import STALE_AFTER
from api.healthcheck import main
from api.jobs.models import ServiceMark
from api.reconciler.loop import PASS_MARK

SERVE = b"python\0-m\0api\0serve\0"


def test_a_service(quiet_client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Well while it answers at its port."""
    monkeypatch.setenv("HLS_PORT", str(quiet_client.base_url.port))
    assert main(SERVE) == 0


def test_a_service_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Not well, and the reason is said; whatever the database tells of passes."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HLS_PORT", str(unused.getsockname()[1]))
        assert main(SERVE) == 1
    assert "does not answer" in capsys.readouterr().err


@pytest.mark.parametrize("command", [b"python\0-m\0api\0reconcile\0", b"python\0-m\0api.reconciler\0"])
def test_a_reconciler(
    engine: Engine,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: bytes,
) -> None:
    """Well once a pass was good, and for as long as the last one is not too old; it need not listen anywhere."""
    monkeypatch.setenv("HLS_DATABASE_URL", database_url)
    monkeypatch.setenv("HLS_PORT", "1")
    assert main(command) == 1
    assert "never" in capsys.readouterr().err
    for age, code in ((timedelta(0), 0), (STALE_AFTER + timedelta(minutes=1), 1)):
        with Session(engine) as session, session.begin():
            session.merge(ServiceMark(name=PASS_MARK, at=db.now() - age))
        assert main(command) == code
