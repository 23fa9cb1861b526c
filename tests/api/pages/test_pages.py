"""The pages over plain HTTP: what they say without a script, what they forbid, and who may see them."""

import gzip
import html
import re
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from land_outline import OUTLINE, drawn
from sqlmodel import Session

from api import db
from api.access import service as keys
from api.access.scopes import Scope
from api.app import create_app
from api.executors.memory import MemoryExecutor
from api.pages.render import short, size
from api.settings import Settings
from tests.api.conftest import Serve
from tests.api.pages.conftest import words

KEY = "correct horse battery staple"
PAGES = ("/", "/ui/months/202402", "/ui/jobs", "/ui/submit", "/sign-in", "/ui/nothing")


def test_the_archive_at_a_glance(client: httpx.Client) -> None:
    """The state and count of the month are in the text, with a link; later months are missing and lead to the form."""
    page = client.get("/")
    assert page.status_code == 200
    assert 'href="/ui/months/202402?prefix=hls-data"' in page.text
    assert 'aria-label="February 2024: ready, 60 items"' in page.text
    assert "yearMonth=202403&amp;prefix=hls-data" in page.text
    assert "1 ready complete, and harvested" in words(page)
    assert "Bound to no box and no collections yet." in words(page)


def test_an_empty_archive_says_what_to_do(quiet_client: httpx.Client) -> None:
    """No table, but the way to the form."""
    page = quiet_client.get("/")
    assert "Nothing yet. Submit a month" in words(page)
    assert "<table" not in page.text


@pytest.mark.parametrize("path", PAGES)
def test_nothing_comes_from_elsewhere(path: str, client: httpx.Client) -> None:
    """The policy allows this service alone, and no page needs more: no style, script or handler within the HTML."""
    page = client.get(path)
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert re.findall(r"<style|<script(?! src=\"/ui/static/)|\sstyle=|\son[a-z]+=|javascript:", page.text) == []
    addresses = re.findall(r'(?:src|href|action)="([^"]*)"', page.text)
    assert addresses
    assert all(address.startswith(("/", "#")) and not address.startswith("//") for address in addresses)
    for asset in {html.unescape(address) for address in addresses if address.startswith("/ui/static/")}:
        assert client.get(asset).status_code == 200


def test_assets_are_kept_by_browsers(client: httpx.Client) -> None:
    """They have an ETag that saves the second transfer, and travel compressed."""
    first = client.get("/ui/static/leaflet.js")
    assert first.headers["content-encoding"] == "gzip"
    again = client.get("/ui/static/leaflet.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    plain = client.get("/ui/static/leaflet.js", headers={"Accept-Encoding": "identity"})
    assert plain.content == first.content
    assert len(gzip.compress(plain.content)) < 60_000


def test_hostile_text_stays_text(client: httpx.Client) -> None:
    """What a visitor types is shown, and never taken for markup."""
    hostile = "<script>alert(1)</script>\"'"
    page = client.post("/ui/submit", data={"yearMonth": hostile, "prefix": hostile, "west": hostile})
    assert page.status_code == 422
    assert "<script>alert" not in page.text
    assert page.text.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 3
    lost = client.get("/ui/jobs/%3Cscript%3Ealert(1)")
    assert (lost.status_code, "<script>alert" in lost.text) == (404, False)


def test_the_form_speaks_as_the_api_does(client: httpx.Client) -> None:
    """The same words for the same faults, and the same job for the same wish."""
    faulty = {"yearMonth": "209901", "prefix": "No"}
    told = client.post("/jobs", json=faulty).json()["errors"]
    page = words(client.post("/ui/submit", data=faulty | {"collections": "HLSL30_2.0"}))
    assert all(fault["message"] in page for fault in told)
    wish = {"yearMonth": "202401", "west": "1", "south": "2", "east": "3", "north": "4"}
    both = ["HLSL30_2.0", "HLSS30_2.0"]
    sent = client.post("/ui/submit", data=wish | {"collections": both})
    assert sent.status_code == 303
    equal = client.post("/jobs", json={"yearMonth": "202401", "bbox": [1, 2, 3, 4]})
    assert equal.json()["deduplicated"]
    assert sent.headers["location"] == f"/ui/jobs/{equal.json()['id']}"
    prefix = equal.json()["params"]["prefix"]
    busy = client.post("/ui/submit", data={"yearMonth": "202401", "prefix": prefix, "collections": both})
    assert busy.status_code == 409
    assert "A different job is active for the same partition" in words(busy)


def test_a_job_is_followed_and_cancelled(client: httpx.Client) -> None:
    """Without a script the page loads itself anew; a job that has ended offers another try and stays as it is."""
    path = client.post("/ui/submit", data={"yearMonth": "202401", "collections": "HLSL30_2.0"}).headers["location"]
    page = client.get(path)
    assert '<noscript><meta http-equiv="refresh"' in page.text
    assert "Waiting to be submitted" in words(page)
    assert client.post(f"{path}/cancel").headers["location"] == path
    ended = client.get(path)
    assert "http-equiv" not in ended.text
    assert "Retry on the finished days" in words(ended)
    again = client.post(f"{path}/cancel")
    assert again.status_code == 303
    retried = client.post(f"{path}/retry").headers["location"]
    assert retried != path
    assert "Retry of" in words(client.get(retried))
    refused = client.post(f"{retried}/retry")
    assert (refused.status_code, refused.headers["content-type"]) == (409, "text/html; charset=utf-8")
    assert "only a failed or cancelled job can be retried" in words(refused)


def test_with_keys_one_signs_in(tmp_path: Path, serve: Serve) -> None:
    """Pages lead to the form, a session shows them, a change needs the page's own token, and signing out ends it."""
    client = serve(create_app(Settings(data_dir=tmp_path, api_key=KEY, reconcile=False), executor=MemoryExecutor()))
    assert str(tmp_path) not in client.get("/sign-in").text
    for path in ("/", "/ui/jobs?status=failed", "/ui/submit", "/ui/months/202402"):
        sent = client.get(path)
        assert sent.status_code == 303
        assert sent.headers["location"].startswith("/sign-in?next=%2F")
    assert client.post("/sign-in", data={"key": "wrong"}).status_code == 401
    entered = client.post("/sign-in", data={"key": KEY, "next": "/ui/jobs"})
    assert entered.headers["location"] == "/ui/jobs"
    form = client.get("/ui/submit").text
    found = re.search(r'name="csrf_token" value="([^"]+)"', form)
    assert found
    wish = {"yearMonth": "202401", "collections": "HLSL30_2.0"}
    assert client.post("/ui/submit", data=wish).status_code == 403
    assert client.post("/ui/submit", data=wish | {"csrf_token": found[1]}).status_code == 303
    client.post("/sign-out")
    assert client.get("/").status_code == 303


def test_a_refused_form_is_shown_again(tmp_path: Path, serve: Serve) -> None:
    """A token of another session: what was typed stays, and sent again with the page's own token it is taken."""
    client = serve(create_app(Settings(data_dir=tmp_path, api_key=KEY, reconcile=False), executor=MemoryExecutor()))
    client.post("/sign-in", data={"key": KEY})
    wish = {"yearMonth": "202401", "west": "-124.75", "collections": "HLSL30_2.0"}
    refused = client.post("/ui/submit", data=wish | {"csrf_token": "of another session"})
    assert refused.status_code == 403
    assert "Reload the page and try again" in words(refused)
    assert 'value="202401"' in refused.text
    assert 'value="-124.75"' in refused.text
    found = re.search(r'name="csrf_token" value="([^"]+)"', refused.text)
    assert found
    assert client.post("/ui/submit", data={"yearMonth": "202401", "csrf_token": found[1]}).status_code == 422
    sent = client.post("/ui/submit", data=wish | {"west": "", "csrf_token": found[1]})
    assert sent.status_code == 303


def test_errors_know_who_is_signed_in(tmp_path: Path, serve: Serve) -> None:
    """Who is signed in is not asked to sign in by the page of an error."""
    client = serve(create_app(Settings(data_dir=tmp_path, api_key=KEY, reconcile=False), executor=MemoryExecutor()))
    client.post("/sign-in", data={"key": KEY})
    for path, status in (("/ui/jobs/0123456789abcdef", 404), ("/ui/months/202402", 404), ("/ui/months/1", 422)):
        page = client.get(path)
        assert page.status_code == status
        assert "Sign in" not in words(page)
        assert "operator Sign out" in words(page)


def test_a_fault_of_our_own_is_told_by_a_page(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected error says on a page that it happened and under which id; the API says the same as JSON."""

    def broken(*_: object, **__: object) -> None:
        raise LookupError("a secret of the house")

    monkeypatch.setattr("api.catalog.views.months", broken)
    page, told = client.get("/"), client.get("/partitions").json()
    assert (page.status_code, page.headers["content-type"]) == (500, "text/html; charset=utf-8")
    assert told["detail"] in words(page)
    assert f"Request {page.headers['x-request-id']}" in words(page)
    assert "secret" not in page.text


@pytest.mark.parametrize("target", ["//elsewhere.test", "https://elsewhere.test", "/\\elsewhere.test", "x", "/\t/x"])
def test_signing_in_leads_nowhere_else(target: str, tmp_path: Path, serve: Serve) -> None:
    """An address of another host is not followed."""
    client = serve(create_app(Settings(data_dir=tmp_path, api_key=KEY, reconcile=False), executor=MemoryExecutor()))
    assert client.post("/sign-in", data={"key": KEY, "next": target}).headers["location"] == "/"


def test_public_reads_and_small_keys(tmp_path: Path, serve: Serve) -> None:
    """Where everybody may read, pages need no key but changes do; a key that may only read is offered no change."""
    settings = Settings(data_dir=tmp_path, api_key=KEY, public_reads=True, reconcile=False)
    app = create_app(settings, executor=MemoryExecutor())
    client = serve(app)
    page = client.get("/")
    assert page.status_code == 200
    assert "Sign in" in words(page)
    assert 'href="/sign-in?next=%2Fui%2Fjobs%3Fstatus%3Dfailed"' in client.get("/ui/jobs?status=failed").text
    assert client.post("/ui/refresh").status_code == 403
    with Session(app.state.engine) as session, session.begin():
        _, key = keys.create_key(
            session, name="reader", scope=Scope.READ, actor="test", expires_at=db.now() + timedelta(hours=1)
        )
    client.post("/sign-in", data={"key": key})
    for path in ("/", "/ui/jobs"):
        page = client.get(path)
        assert "reader Sign out" in words(page)
        assert "/ui/submit" not in page.text
    assert "reader may look, and not ask for work. Sign in with another key ." in words(client.get("/ui/submit"))
    refused = client.post("/ui/refresh")
    assert refused.status_code == 403
    assert "needs the scope submit" in words(refused)
    assert "Sign in with another key" in words(refused)


def test_the_outline_is_the_samples_map() -> None:
    """The land that the page shows is drawn from one map, kept in one place."""
    assert OUTLINE.read_text(encoding="ascii") == drawn()


def test_figures_for_people() -> None:
    """Sizes and counts in a few characters."""
    assert [short(value) for value in (None, 0, 999, 473_208, 36_300_000)] == ["", "0", "999", "473k", "36M"]
    assert [size(value) for value in (None, 12, 31_400_000)] == ["\u2013", "12 B", "31.4 MB"]
