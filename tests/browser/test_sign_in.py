"""Signing in with a key, in a browser."""

from playwright.sync_api import expect

from tests.browser.conftest import KEY, Look, violations


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
