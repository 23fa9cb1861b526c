"""Months on the pages over plain HTTP: in the heat map, and each on its own."""

import html
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage.local import LocalStore
from tests.api.catalog.partition_files import MONTH, put_partition
from tests.api.pages.conftest import Months, words
from worker.contract import layout
from worker.contract.month import Month


def test_page_and_api_count_the_same_months(archive: LocalStore, months: Months) -> None:
    """Months from the first with a file to the last count, missing ones between too; those around them are only offered."""
    for month in (Month(2023, 11), Month(2024, 2)):
        put_partition(archive, 5, month=month)
    client = months(Month(2023, 11), Month(2024, 2))
    listed = client.get("/partitions").json()["totals"]["states"]
    page = client.get("/")
    assert "2 of 4" in words(page)
    for state, count in listed.items():
        assert page.text.count(f'<a class="s-{state}"') == count
        assert f"{count} {state}" in words(page)
    assert 'aria-label="October 2023: ask for it"' in page.text
    assert 'aria-label="March 2013: ask for it"' not in page.text


@pytest.mark.parametrize(
    ("told", "state", "meaning"),
    [
        ({"harvested_at": datetime(2024, 2, 20, tzinfo=UTC)}, "partial", "harvested before the month was over"),
        ({"complete": False, "matched": 1234}, "partial", "the source stated 1,234 items"),
        ({"foreign": True}, "partial", "written by another program, 25 days without items"),
        ({"complete": None, "matched": None}, "unknown", "harvested from a source that states no count"),
    ],
)
def test_a_state_says_which_case_it_is(
    told: dict[str, Any], state: str, meaning: str, archive: LocalStore, months: Months
) -> None:
    """A state of several meanings tells the one of this month, in the heat map and on its page."""
    put_partition(archive, 5, **told)
    client = months(MONTH)
    assert f'aria-label="February 2024: {state}, 5 items; {meaning}"' in client.get("/").text
    assert f"{state} {meaning}." in words(client.get("/ui/months/202402"))


def test_a_whole_file_of_another_program(archive: LocalStore, months: Months) -> None:
    """It was not harvested, so nothing is said of a source."""
    put_partition(archive, 900, foreign=True)
    page = words(months(MONTH).get("/ui/months/202402"))
    assert "unknown written by another program, which does not say how many items there should be." in page
    assert "states no count" not in page


def test_a_file_that_cannot_be_read(archive: LocalStore, months: Months) -> None:
    """The page says why, offers the harvest first, and tells nothing of what it does not know."""
    archive.put(layout.partition_key("hls-data", MONTH), b"PAR1, but no Parquet")
    page = months(MONTH).get("/ui/months/202402")
    assert 'class="button" href="/ui/submit?yearMonth=202402&amp;prefix=hls-data"' in page.text
    assert "Download the file as it is" in words(page)
    for odd in ("Written by", "Items from", "Anomalies", "\u2013"):
        assert odd not in words(page)


def test_a_month_in_depth(client: httpx.Client) -> None:
    """Figures are those of the API, and the snippets name the file."""
    partition = client.get("/partitions/202402").json()
    page = client.get("/ui/months/202402")
    for figure in (partition["path"], "missing-bands: 2", "https://stac.example.test"):
        assert figure in words(page)
    assert page.text.count("<rect class=") >= sum(1 for _ in partition["places"]["cells"])
    assert f'href="{urlsplit(partition["download"]["url"]).path}"' in page.text
    for snippet in ("DuckDB", "rustac", "geopandas", "pyarrow"):
        assert f'data-snippet="{snippet}"' in page.text


def test_a_month_without_items(archive: LocalStore, months: Months) -> None:
    """A month for which the source has nothing is complete; its page says so, and draws no empty chart."""
    put_partition(archive, 0, items=0, matched=0)
    page = months(MONTH).get("/ui/months/202402")
    assert page.status_code == 200
    assert "No items" in words(page)
    assert 'class="chart"' not in page.text


def test_snippets_ask_for_what_the_file_has(archive: LocalStore, months: Months, tmp_path: Path) -> None:
    """Another program's file may lack every column that ours have: what is offered for it runs, and counts."""
    table = pa.table({"id": ["a", "b"], "price": [1.0, 2.0]})
    pq.write_table(table, tmp_path / "odd.parquet")
    archive.put(layout.partition_key("hls-data", MONTH), (tmp_path / "odd.parquet").read_bytes())
    page = months(MONTH).get("/ui/months/202402").text
    offered = re.findall(r'<code data-snippet="(.*?)">(.*?)</code>', page, re.DOTALL)
    assert [name for name, _ in offered] == ["DuckDB", "pyarrow"]
    for _, code in offered:
        run = [sys.executable, "-I", "-c", html.unescape(code)]
        assert subprocess.run(run, capture_output=True, text=True, check=True).stdout.split() == ["2"]


def test_places_count_every_item(client: httpx.Client) -> None:
    """Each item is in one cell, and one across the antimeridian in the westernmost."""
    places = client.get("/partitions/202402").json()["places"]
    assert sum(cell["items"] for cell in places["cells"]) == 60
    assert all(-180 <= cell["west"] < 180 and -90 <= cell["south"] < 90 for cell in places["cells"])
