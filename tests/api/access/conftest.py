"""Fixtures for access: a service that asks for keys, on each database, and keys of each scope for it."""

from collections.abc import Callable
from datetime import datetime, timedelta

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlmodel import Session

from api import db
from api.access import service
from api.access.scopes import Scope
from api.app import create_app
from api.executors.memory import MemoryExecutor
from api.settings import Settings
from tests.api.conftest import Serve

STATIC = "correct horse battery staple"

MakeKey = Callable[..., str]


@pytest.fixture
def guarded(settings: Settings, migrated_url: str) -> Settings:
    """Settings of a service with the static key, on each database, that does not reconcile."""
    return settings.model_copy(update={"database_url": migrated_url, "api_key": SecretStr(STATIC), "reconcile": False})


@pytest.fixture
def app(guarded: Settings, executor: MemoryExecutor) -> FastAPI:
    return create_app(guarded, executor=executor)


@pytest.fixture
def client(app: FastAPI, serve: Serve) -> httpx.Client:
    """A client without a key."""
    return serve(app)


@pytest.fixture
def make_key(app: FastAPI) -> MakeKey:
    """Makes keys in the app's database: of a scope, revoked, or with a life in seconds that may be over."""

    def make(scope: Scope, *, name: str = "ada", seconds: float | None = None, revoked: bool = False) -> str:
        with Session(app.state.engine) as session, session.begin():
            expires_at: datetime | None = db.now() + timedelta(seconds=seconds) if seconds is not None else None
            row, key = service.create_key(session, name=name, scope=scope, actor="test", expires_at=expires_at)
            if revoked:
                service.revoke_key(session, row.id, actor="test")
        return key

    return make


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}
