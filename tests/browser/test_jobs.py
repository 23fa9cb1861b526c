"""Jobs from the form to their end, in a browser, with the real worker behind."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Look, serving, violations

BOX = {"West": "-122", "South": "36", "East": "-120", "North": "38"}
_LONG = 120_000


@pytest.fixture(scope="module")
def service_url(source_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service that harvests the generated catalogue."""
    with serving(tmp_path_factory.mktemp("jobs"), STAC_API_URL=source_url) as url:
        yield url


@pytest.fixture(scope="module")
def slow_url(slow_source_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service whose source takes its time."""
    with serving(tmp_path_factory.mktemp("slow"), STAC_API_URL=slow_source_url) as url:
        yield url


@pytest.fixture(scope="module")
def long_url(slow_source_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same, a day at a time, so that a month takes half a minute however quick the worker is."""
    with serving(tmp_path_factory.mktemp("long"), STAC_API_URL=slow_source_url, MAX_CONCURRENT_DAYS="1") as url:
        yield url


@pytest.fixture(scope="module")
def nowhere_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service whose source does not answer, and that does not wait for it for long."""
    with serving(
        tmp_path_factory.mktemp("nowhere"),
        STAC_API_URL="http://127.0.0.1:9/",
        NO_PROGRESS_TIMEOUT="1",
        REQUEST_TIMEOUT="1",
        RETRY_WAIT_MAX="1",
    ) as url:
        yield url


def fill(page: Page, month: str, box: dict[str, str], prefix: str = "") -> None:
    page.get_by_label("Month").fill(month)
    for edge, value in box.items():
        page.get_by_label(edge, exact=True).fill(value)
    page.get_by_label("Prefix").fill(prefix)
    page.get_by_role("button", name="Submit").click()


def test_from_the_form_to_success(service_url: str, look: Look, pictures: Path) -> None:
    """The job's page follows it without being loaded again, and leads to the month."""
    page = look(f"{service_url}/ui/submit")
    fill(page, "202401", BOX, "live")
    page.wait_for_url("**/ui/jobs/*")
    page.evaluate("window.stays = true")
    expect(page.locator("#situation .state")).to_have_text("succeeded", timeout=_LONG)
    expect(page.locator("#events li").last).to_contain_text("succeeded")
    assert page.evaluate("window.stays")
    assert page.title().startswith("January 2024: succeeded")
    assert violations(page) == []
    page.screenshot(path=pictures / "job-succeeded.png", full_page=True)
    page.get_by_role("link", name="See the month").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("January 2024")
    assert violations(page) == []
    page.screenshot(path=pictures / "month-harvested.png", full_page=True)


def test_the_archive_is_followed(slow_url: str, look: Look, pictures: Path) -> None:
    """A month that is at work stands so in the heat map, first of all, and gets its file there without a reload."""
    wish = {"yearMonth": "202405", "prefix": "followed", "bbox": [-123, 36, -120, 39]}
    job = httpx.post(f"{slow_url}/jobs", json=wish)
    for scheme in ("light", "dark"):
        page = look(slow_url, color_scheme=scheme)
        cell = page.get_by_role("link", name="May 2024: ")
        expect(cell).to_have_class("s-running")
        assert violations(page) == []
    expect(page.get_by_role("heading", level=2).first).to_have_text("At work")
    expect(page.locator(".jobs a")).to_have_attribute("href", f"/ui/jobs/{job.json()['id']}")
    page.screenshot(path=pictures / "archive-running.png")
    page.evaluate("window.stays = true")
    cell.focus()
    expect(cell).not_to_have_class("s-running", timeout=_LONG)
    expect(cell).to_be_focused()
    expect(page.get_by_role("heading", name="At work")).to_have_count(0)
    assert page.evaluate("window.stays")


def test_progress_in_between(slow_url: str, look: Look) -> None:
    """While a job runs its page moves on: some of the days, then more of them, and how long the rest may take."""
    page = look(f"{slow_url}/ui/submit")
    fill(page, "202406", {"West": "-123", "South": "36", "East": "-120", "North": "39"}, "between")
    page.wait_for_url("**/ui/jobs/*")
    figures, bar = page.locator("#situation .progress"), page.locator("#situation progress")
    expect(figures).to_have_text(re.compile(r"[1-9]\d? of 30 days.* items a second.* left", re.DOTALL), timeout=_LONG)
    expect(page.locator("#situation .state")).to_have_text("running")
    before = float(bar.get_attribute("value") or 0)
    assert 0 < before < 30
    expect(bar).not_to_have_attribute("value", f"{before:.0f}", timeout=_LONG)
    assert float(bar.get_attribute("value") or 0) > before
    expect(page.locator("#situation .state")).to_have_text("succeeded", timeout=_LONG)


def test_a_box_is_drawn(service_url: str, look: Look, pictures: Path) -> None:
    """Dragging over the map fills the four fields, and the fields move the box."""
    page = look(f"{service_url}/ui/submit", viewport={"width": 1200, "height": 1200})
    page.get_by_role("button", name="Draw a box").click()
    frame = page.locator("#box-map").bounding_box()
    assert frame
    page.mouse.move(frame["x"] + 150, frame["y"] + 120)
    page.mouse.down()
    page.mouse.move(frame["x"] + 240, frame["y"] + 200, steps=4)
    page.mouse.up()
    west, south, east, north = (
        float(page.get_by_label(edge, exact=True).input_value()) for edge in ("West", "South", "East", "North")
    )
    assert -180 <= west < east <= 180
    assert -90 <= south < north <= 90
    expect(page.locator("#box-map path.box")).to_have_count(1)
    page.get_by_label("West", exact=True).fill("170")
    page.get_by_label("East", exact=True).fill("-170")
    expect(page.locator("#box-map path.box")).to_have_count(2)
    assert violations(page) == []
    page.screenshot(path=pictures / "submit-box.png", full_page=True)


def test_cancel(long_url: str, look: Look, pictures: Path) -> None:
    """A job of the whole world is stopped from its page, and can be retried from there."""
    page = look(f"{long_url}/ui/submit")
    fill(page, "202402", {}, "world")
    page.wait_for_url("**/ui/jobs/*")
    expect(page.locator("#situation .state")).to_have_text("running", timeout=_LONG)
    page.screenshot(path=pictures / "job-running.png", full_page=True)
    assert violations(page) == []
    page.get_by_role("button", name="Cancel the job").click()
    expect(page.locator("#situation .state")).to_have_text("cancelled", timeout=_LONG)
    expect(page.get_by_role("button", name="Retry on the finished days")).to_be_visible()
    expect(page.locator("#events")).to_contain_text("asked to cancel")


_PLACE = """() => ({
    scrolled: document.querySelector('.log').scrollTop,
    window: window.scrollY,
    selected: String(getSelection()),
    focus: document.activeElement.className,
})"""


def test_a_log_is_read_in_peace(long_url: str, look: Look) -> None:
    """Where one reads an earlier line, new ones come behind it; at the end, the log goes on by itself."""
    page = look(f"{long_url}/ui/submit", viewport={"width": 700, "height": 500})
    fill(page, "202403", {}, "reading")
    page.wait_for_url("**/ui/jobs/*")
    log, lines = page.locator("#lines pre"), page.locator("#lines .line")
    expect(lines.nth(15)).to_be_attached(timeout=_LONG)
    assert log.evaluate("log => log.scrollTop + log.clientHeight >= log.scrollHeight - 4")
    log.evaluate("log => { log.focus(); log.scrollTop = 30; getSelection().selectAllChildren(log.children[1]); }")
    place, had = page.evaluate(_PLACE), lines.count()
    assert place["window"] > 0
    assert "log" in place["focus"]
    expect(lines.nth(had)).to_be_attached(timeout=_LONG)
    assert page.evaluate(_PLACE) == place
    page.get_by_role("button", name="Cancel the job").click()
    expect(page.locator("#situation .state")).to_have_text("cancelled", timeout=_LONG)


def test_a_failure_explains_itself(nowhere_url: str, look: Look, pictures: Path) -> None:
    """The code, what happened, what to do, the log, and a button that tries again."""
    page = look(f"{nowhere_url}/ui/submit")
    fill(page, "202401", BOX, "gone")
    page.wait_for_url("**/ui/jobs/*")
    expect(page.locator("#situation .state")).to_have_text("failed", timeout=_LONG)
    expect(page.locator(".problem")).to_contain_text("SOURCE_UNAVAILABLE")
    expect(page.locator(".problem")).to_contain_text("Retry when it does")
    expect(page.locator("#lines pre")).not_to_be_empty()
    assert violations(page) == []
    page.screenshot(path=pictures / "job-failed.png", full_page=True)
    first = page.url
    page.get_by_role("button", name="Retry on the finished days").click()
    page.wait_for_url(lambda url: url != first)
    expect(page.locator(".facts").first).to_contain_text("Retry of")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 1200), ("light", 390), ("dark", 390)])
def test_job_pages_are_accessible(
    scheme: Literal["light", "dark"], width: int, nowhere_url: str, look: Look, pictures: Path
) -> None:
    """axe-core finds nothing on the list with jobs in it and on a failed job; neither is wider than its window."""
    failed = httpx.get(f"{nowhere_url}/jobs", params={"status": "failed"}).json()["jobs"]
    assert failed, "test_a_failure_explains_itself comes first"
    for name, path in (("jobs-filled", "/ui/jobs"), ("job-failed", f"/ui/jobs/{failed[-1]['id']}")):
        page = look(nowhere_url + path, viewport={"width": width, "height": 900}, color_scheme=scheme)
        expect(page.locator(".j-failed").first).to_be_visible()
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.screenshot(path=pictures / f"{name}-{scheme}-{width}.png", full_page=True)


def test_the_forms_errors(service_url: str, look: Look, pictures: Path) -> None:
    """Every faulty field has the API's words beside it, and what was typed stays."""
    page = look(f"{service_url}/ui/submit")
    fill(page, "209901", {"West": "-200", "South": "1", "East": "2", "North": "3"}, "Bad Prefix")
    expect(page.get_by_label("Month")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#fault-yearMonth")).to_contain_text("is in the future")
    expect(page.locator("#fault-bbox")).to_contain_text("west is -200, but must be from -180 to 180 degrees")
    expect(page.locator("#fault-prefix")).to_contain_text("may hold only lower-case letters")
    expect(page.get_by_label("Prefix")).to_have_value("Bad Prefix")
    assert violations(page) == []
    page.screenshot(path=pictures / "submit-errors.png", full_page=True)
