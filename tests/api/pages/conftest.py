"""Fixtures for the pages: a service with months of one's own choice in its catalogue."""

import html
import re
from collections.abc import Callable

import httpx
import pytest
from sqlmodel import Session

from api.app import create_app
from api.catalog import intake
from api.executors.memory import MemoryExecutor
from api.settings import Settings
from storage.local import LocalStore
from tests.api.catalog.partition_files import MONTH, put_partition
from tests.api.conftest import Serve
from worker.contract.month import Month

Months = Callable[..., httpx.Client]


@pytest.fixture
def archive(settings: Settings) -> LocalStore:
    """Where the service of `months` keeps its files."""
    return LocalStore(settings.data_dir / "archive")


@pytest.fixture
def months(settings: Settings, serve: Serve, archive: LocalStore) -> Months:
    """A service, whose reconciler does not run, with what lies in its archive for these months."""

    def made(*of: Month) -> httpx.Client:
        app = create_app(settings.model_copy(update={"reconcile": False}), executor=MemoryExecutor())
        with Session(app.state.engine) as session, session.begin():
            for month in of:
                session.add(intake.partition_row(archive, app.state.catalog.engine, "hls-data", month))
        return serve(app)

    return made


@pytest.fixture
def client(archive: LocalStore, months: Months) -> httpx.Client:
    """A service with one month in its catalogue."""
    put_partition(archive, 60)
    return months(MONTH)


def words(reply: httpx.Response) -> str:
    """What a reader without style and script gets."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", reply.text)).split())
