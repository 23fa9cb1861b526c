"""Pages that other processes convert are what this one makes of them, and those processes live no longer than they should."""

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import psutil
import pytest

from worker.items.convert import Converted, Converter
from worker.items.moulds import NUMBERS
from worker.items.pool import ConverterPool

Item = dict[str, Any]


@pytest.fixture(scope="module")
def items(shared_data: Path) -> list[Item]:
    found: list[Item] = json.loads((shared_data / "derived-current-flavour/items_34_derived.json").read_text())[
        "features"
    ]
    return found


def page(items: list[Item]) -> bytes:
    return orjson.dumps({"type": "FeatureCollection", "features": items, "links": [], "context": {}})


@pytest.fixture
def pool() -> Iterator[ConverterPool]:
    """One that starts the other processes at once."""
    pool = ConverterPool(processes=2, crowded=0)
    yield pool
    pool.close()


def children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "worker.items.child" in child.cmdline()]


def told(converted: Converted) -> list[Item]:
    """The items, with the texts of their moulds for the numbers, which are each converter's own."""
    rows: list[Item] = converted.items.to_pylist()
    if (moulds := converted.moulds) is not None:
        rows = [row | {NUMBERS: [moulds[number].text for number in row[NUMBERS]]} for row in rows]
    return rows


def test_the_same_as_here(pool: ConverterPool, items: list[Item]) -> None:
    """Pages that are cut, in many moulds and in none that is new; pages that are not cut; JSON columns; by two processes
    and eight threads."""
    odd = [
        item | {"properties": item["properties"] | {"odd": value}}
        for item, value in zip(items[:4], [1, "a", [2], {}], strict=True)
    ]
    pages = [page(items[n : n + 5]) for n in range(30)]
    pages = [*pages, page(odd), json.dumps({"features": items[:3]}).encode(), page([]), *pages]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(pool.convert, pages))
    here = Converter()
    wanted = [here.convert(body) for body in pages]
    assert len(children()) == 2
    assert [told(each) for each in found] == [told(each) for each in wanted]
    assert [each.kind for each in found] == [each.kind for each in wanted]
    assert {each.moulds is None for each in found} == {True, False}
    assert any("odd" in dict(each.kind.fields) for each in found)


def test_what_is_no_page(pool: ConverterPool, items: list[Item]) -> None:
    """Is told as this process tells it, and the next page is converted."""
    for body in (
        b"[]",
        b'{"features": [1]}',
        b'{"features": [{"type": "Feature"',
        b'{"features":[{"properties":{}}]}\xff',
    ):
        with pytest.raises(ValueError, match=r".") as here:
            Converter().convert(body)
        with pytest.raises(ValueError, match=r".") as there:
            pool.convert(body)
        assert str(there.value) == str(here.value)
    assert len(pool.convert(page(items)).items) == len(items)
    assert len(children()) == 1


def test_one_page_at_a_time_starts_nothing(items: list[Item]) -> None:
    """A source that is slower than this process needs no other."""
    pool = ConverterPool(processes=1)
    for _ in range(50):
        pool.convert(page(items[:2]))
    assert children() == []


def test_one_that_is_killed(pool: ConverterPool, items: list[Item], caplog: pytest.LogCaptureFixture) -> None:
    """Costs no page, and is told."""
    pool.convert(page(items))
    [child] = children()
    child.kill()
    with caplog.at_level(logging.WARNING):
        assert len(pool.convert(page(items)).items) == len(items)
    [record] = caplog.records
    assert record.pid == child.pid  # type: ignore[attr-defined]  # an extra of the line
    assert len(pool.convert(page(items)).items) == len(items)
    assert child.pid not in [each.pid for each in children()]


def test_they_heed_no_signal(pool: ConverterPool, items: list[Item]) -> None:
    """Who is asked to stop is the worker, which ends them."""
    pool.convert(page(items))
    [child] = children()
    child.send_signal(signal.SIGTERM)
    child.send_signal(signal.SIGINT)
    assert len(pool.convert(page(items)).items) == len(items)
    assert [each.pid for each in children()] == [child.pid]


def test_closing_ends_them(pool: ConverterPool, items: list[Item]) -> None:
    """And what comes later is converted here."""
    pool.convert(page(items))
    assert len(children()) == 1
    pool.close()
    assert children() == []
    assert len(pool.convert(page(items)).items) == len(items)
    assert children() == []


def test_they_end_with_a_worker_that_is_killed(items: list[Item], tmp_path: Path) -> None:
    """Even by a signal of which it learns nothing."""
    (tmp_path / "page").write_bytes(page(items))
    script = (
        "import sys, pathlib, psutil, time; from worker.items.pool import ConverterPool\n"
        "pool = ConverterPool(crowded=0); pool.convert(pathlib.Path(sys.argv[1]).read_bytes())\n"
        "print(psutil.Process().children()[0].pid, flush=True); time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, tmp_path / "page"], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate()
    psutil.wait_procs([child], timeout=20)
    assert not child.is_running()
