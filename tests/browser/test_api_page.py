"""The page of the API in a browser: every example is tried, on a demo as it stands."""

import re
from collections.abc import Iterator

import httpx
import pytest
from demos import staying
from playwright.sync_api import Page, expect

from tests.browser.conftest import Look

NO_KEY_TO_NAME = "revokeKey"
"""A service that asks for no key has none that could be revoked, and one that does names none to everybody."""
CLOSES_THE_DEMO = "createKey"
_LONG = 60_000
_A_STATUS = re.compile(r"^\s*\d{3}")


@pytest.fixture(scope="module")
def demo_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`hls demo --stay`, once it has told its story."""
    with staying(tmp_path_factory.mktemp("demo"), "--items", "3000") as demo:
        yield demo.url


def test_try_it_out(demo_url: str, look: Look) -> None:
    """Each operation is opened, "Try it out" and "Execute" pressed, and what comes is the success that is described."""
    page = look(f"{demo_url}/docs", viewport={"width": 1200, "height": 1000})
    expect(page.locator(".opblock").first).to_be_visible(timeout=_LONG)
    described = httpx.get(f"{demo_url}/openapi.json").json()["paths"]
    names = [operation["operationId"] for path in described.values() for operation in path.values()]
    assert page.locator(".opblock").count() == len(names)
    tried = {name: _try(page, name) for name in names if name not in (NO_KEY_TO_NAME, CLOSES_THE_DEMO)}
    tried[CLOSES_THE_DEMO] = _try(page, CLOSES_THE_DEMO)
    assert {name: status for name, status in tried.items() if not status.startswith("2")} == {}
    assert httpx.get(f"{demo_url}/jobs").status_code == 401


def _try(page: Page, name: str) -> str:
    """The status that the page shows for the operation's own example."""
    block = page.locator(f".opblock[id$='-{name}']")
    summary = block.locator(".opblock-summary-control")
    summary.click()
    block.get_by_role("button", name="Try it out").click()
    block.get_by_role("button", name="Execute").click()
    status = block.locator(".live-responses-table .response .response-col_status")
    expect(status).to_have_text(_A_STATUS, timeout=_LONG)
    told = status.inner_text().split()[0]
    summary.click()  # a page of many answers becomes slow
    return told
