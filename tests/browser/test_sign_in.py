"""Signing in with a key, in a browser."""

from pathlib import Path

import httpx
from playwright.sync_api import expect

from tests.browser.conftest import KEY, Look, violations

_LONG = 120_000


def test_sign_in_work_and_sign_out(guarded_url: str, look: Look) -> None:
    """Every page leads to the form first; a wrong key is refused; a right one leads back, and forms work."""
    page = look(f"{guarded_url}/ui/jobs")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.get_by_label("Key").fill("not the key of this service")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("The key is not known")
    assert violations(page) == []
    page.get_by_label("Key").fill(KEY)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Jobs")
    (cookie,) = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert KEY not in cookie["value"]
    page.get_by_role("link", name="Archive", exact=True).click()
    page.get_by_role("button", name="Look now").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("What the archive holds")
    assert violations(page) == []
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    assert page.context.cookies() == []


def test_a_page_says_that_it_stands_still(guarded_url: str, look: Look, pictures: Path) -> None:
    """A page that follows a job says when the service is away, goes on by itself, and says when the session has ended."""
    page = look(f"{guarded_url}/ui/submit")
    page.get_by_label("Key").fill(KEY)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Month").fill("202401")
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url("**/ui/jobs/*")
    stands_still = page.locator("#stale")
    expect(page.locator("#situation .state")).to_have_text("running", timeout=_LONG)
    page.route("**/ui/jobs/*", lambda route: route.fulfill(status=429))
    expect(stands_still).to_contain_text("the service does not answer", timeout=_LONG)
    assert violations(page) == []
    page.screenshot(path=pictures / "job-away.png")
    page.unroute("**/ui/jobs/*")
    expect(stands_still).to_be_empty(timeout=_LONG)
    page.context.clear_cookies()
    expect(stands_still).to_contain_text("you are not signed in any more", timeout=_LONG)
    job_id = page.url.rpartition("/")[2]
    httpx.post(f"{guarded_url}/jobs/{job_id}/cancel", headers={"X-API-Key": KEY}).raise_for_status()
