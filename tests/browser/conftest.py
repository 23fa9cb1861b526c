"""The real service as a process over 158 generated months, and Chromium that looks at it."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from hls.processes import server
from storage.local import LocalStore
from tests.api.catalog.partition_files import put_partition
from worker.contract import layout
from worker.contract.collections import COLLECTIONS
from worker.contract.documents import DatasetBinding
from worker.contract.month import FIRST_MONTH, Month

MONTHS = 158
KEY = "correct horse battery staple"
_SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)

Look = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs a browser, or takes as long."""
    for item in items:
        if item.nodeid.startswith("tests/browser/"):
            item.add_marker(pytest.mark.browser)


def _chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None and shutil.which("apt-get") and os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(["apt-get", "install", "-qq", "-y", "--no-install-recommends", "chromium"], check=True)
        found = shutil.which("chromium")
    if found is None:
        pytest.fail("These tests need Chromium on the PATH: install your system's package, then run them again.")
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=_chromium(), args=list(_SWITCHES))
        yield opened
        opened.close()


@pytest.fixture
def look(browser: Browser) -> Iterator[Look]:
    """Opens pages; afterwards none may have asked another host, been refused something, or logged an error."""
    asked: list[str] = []
    complaints: list[str] = []
    contexts = []

    def opened(url: str, *, expect_status: int = 200, **options: Any) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        reply = page.goto(url)
        assert reply is not None
        assert reply.status == expect_status
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not [url for url in asked if not url.startswith(("http://127.0.0.1:", "blob:http://127.0.0.1:"))]
    # Chromium logs each reply of 4xx, which is what a form with faults gets.
    assert not [text for text in complaints if "status of 4" not in text]


def violations(page: Page) -> list[str]:
    """What axe-core has to say against the page as it stands."""
    found = Axe().run(page).response["violations"]
    return [f"{fault['id']}: {[node['html'][:200] for node in fault['nodes']]}" for fault in found]


def _fill(archive: Path) -> None:
    """158 months from the first on, most of them ready and some in each of the other states."""
    store = LocalStore(archive)
    first, last = FIRST_MONTH, Month(FIRST_MONTH.year + (FIRST_MONTH.month + MONTHS - 2) // 12, 5)
    months = list(Month.span(first, last))
    assert len(months) == MONTHS
    for index, month in enumerate(months):
        items = 12 + index // 4
        if index in (20, 21, 90):
            continue
        if index == 40:
            store.put(layout.partition_key("hls-data", month), b"PAR1, but no Parquet")
            continue
        lag = {60: -10, 61: -3, 100: 5, 157: 6}.get(index, 40)
        told: dict[str, Any] = {"matched": None, "complete": None} if index in (70, 71, 72) else {}
        put_partition(store, items, month=month, seed=index, harvested_at=month.end + timedelta(days=lag), **told)
    put_partition(store, 30, prefix="foreign", foreign=True)
    put_partition(store, 0, prefix="empty", items=0, matched=0)
    for prefix, box in (("hls-data", None), ("hls-california", (-124.7, 32.5, -114.1, 42.0))):
        store.put(layout.dataset_key(prefix), DatasetBinding(bbox=box, collections=COLLECTIONS).to_json())
    for month in list(Month.span(Month(2024, 1), Month(2024, 6))):
        put_partition(store, 30, month=month, prefix="hls-california", seed=3)


@contextmanager
def serving(folder: Path, **environment: str) -> Iterator[str]:
    """`python -m api` on the folder; gives its URL."""
    settings = {
        "HLS_DATA_DIR": str(folder),
        "HLS_PORT": "0",
        "HLS_RECONCILE_SECONDS": "0.1",
        "HLS_PROGRESS_SECONDS": "0.1",
    }
    temporary = {"TEMP_DIR": str(folder / "temporary")}
    with server("api", log=folder / "service.log", environment=settings | temporary | environment) as url:
        yield url


@pytest.fixture(scope="session")
def archive_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service that has taken in every month."""

    folder = tmp_path_factory.mktemp("archive")
    _fill(folder / "archive")
    with serving(folder) as url:
        deadline = time.monotonic() + 120
        while not httpx.get(f"{url}/partitions", timeout=60).json()["refresh"]["finishedAt"]:
            assert time.monotonic() < deadline, (folder / "service.log").read_text()[-2000:]
            time.sleep(0.2)
        yield url


@pytest.fixture(scope="session")
def source_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A generated HLS catalogue that answers as a STAC API."""
    log = tmp_path_factory.mktemp("source") / "log"
    with server("sample", "--port", "0", "--items-per-month", "20000", log=log) as url:
        yield url


@pytest.fixture(scope="session")
def slow_source_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same, and it thinks for a second over each answer."""
    log = tmp_path_factory.mktemp("slow-source") / "log"
    with server("sample", "--port", "0", "--fault", "latency:seconds=1", log=log) as url:
        yield url


@pytest.fixture(scope="session")
def guarded_url(slow_source_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service that asks for a key."""
    with serving(tmp_path_factory.mktemp("guarded"), HLS_API_KEY=KEY, STAC_API_URL=slow_source_url) as url:
        yield url


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures of the pages go: PICTURES, else a folder of the test run's."""
    folder = Path(os.environ.get("PICTURES") or tmp_path_factory.mktemp("pictures"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
