"""What several tests of the worker need."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from sample.catalog import Catalog
from storage import Store, open_store
from tests.worker.publishing import Attempt, Make


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """Some five granules a day, drawn once for all who serve them."""
    return Catalog.generated(items_per_month=150)


@pytest.fixture
def root_logger_restored() -> Iterator[None]:
    """For tests in whose process the worker sets up its logs."""
    root, worker = logging.getLogger(), logging.getLogger("worker")
    before = root.handlers[:], root.level, worker.level
    yield
    root.handlers = before[0]
    root.setLevel(before[1])
    worker.setLevel(before[2])


@pytest.fixture
def store(archive: str) -> Store:
    """An empty archive of each kind."""
    return open_store(archive)


@pytest.fixture
def attempt(store: Store, tmp_path: Path) -> Make:
    """Begins an attempt; `on` is a store that watches."""
    return lambda **wishes: Attempt(wishes.pop("on", store), tmp_path, **wishes)
