"""What several tests of the worker need."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture
def root_logger_restored() -> Iterator[None]:
    """For tests in whose process the worker sets up its logs."""
    root, worker = logging.getLogger(), logging.getLogger("worker")
    before = root.handlers[:], root.level, worker.level
    yield
    root.handlers = before[0]
    root.setLevel(before[1])
    worker.setLevel(before[2])
