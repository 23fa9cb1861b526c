"""Fixtures for jobs."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from sqlalchemy import Engine
from sqlmodel import Session

Sessions = Callable[[], AbstractContextManager[Session]]


@pytest.fixture
def transaction(engine: Engine) -> Sessions:
    """Opens sessions whose block is one transaction, on each database."""

    @contextmanager
    def opened() -> Iterator[Session]:
        with Session(engine, expire_on_commit=False) as session, session.begin():
            yield session

    return opened
