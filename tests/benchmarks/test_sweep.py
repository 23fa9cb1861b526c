"""The reconciler's look at many active jobs, as it is measured."""

from collections.abc import Iterator

import pytest

from benchmarks import sweep
from benchmarks.databases import KINDS
from benchmarks.filling import fill_active, migrated


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    with KINDS[request.param]() as url:
        yield url


@pytest.mark.parametrize("jobs", [250, pytest.param(10_000, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])])
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
