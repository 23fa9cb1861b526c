"""The reconciler's look at many active jobs, as it is measured. At a small size on SQLite, test_api.py has it."""

from collections.abc import Iterator

import pytest

from benchmarks import sweep
from benchmarks.databases import KINDS
from benchmarks.filling import fill_active, migrated

SOAK = [pytest.mark.soak, pytest.mark.timeout(1800)]


@pytest.fixture
def database_url(kind: str) -> Iterator[str]:
    with KINDS[kind]() as url:
        yield url


@pytest.mark.parametrize(
    ("kind", "jobs"), [("postgresql", 250), *(pytest.param(kind, 10_000, marks=SOAK) for kind in KINDS)]
)
def test_calls_and_memory(database_url: str, jobs: int) -> None:
    """Each pass asks Batch for every job once, a hundred in a call, and needs memory for a page of jobs and not for
    all of them."""
    with migrated(database_url) as engine:
        fill_active(engine, jobs)
    passes = sweep.run(database_url)
    assert {(each.calls, each.jobs) for each in passes} == {(-(-jobs // 100), jobs)}
    assert passes[0].rss_peak_mib - passes[0].rss_before_mib < 32
    for each in passes[1:]:
        assert each.rss_peak_mib - each.rss_before_mib < 4
