"""The pages over plain HTTP: what they say without a script, what they forbid, and who may see them."""

import gzip
import html
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from land_outline import OUTLINE, drawn
from sqlmodel import Session

from api import db
from api.access import service as keys
from api.access.scopes import Scope
from api.app import create_app
from api.catalog import intake
from api.executors.memory import MemoryExecutor
from api.pages.render import short, size
from api.settings import Settings
from storage.local import LocalStore
from tests.api.catalog.partition_files import MONTH, put_partition
from worker.contract import layout
from worker.contract.month import Month

Serve = Callable[..., httpx.Client]

KEY = "correct horse battery staple"
PAGES = ("/", "/ui/months/202402", "/ui/jobs", "/ui/submit", "/sign-in", "/ui/nothing")


Months = Callable[..., httpx.Client]


@pytest.fixture
def archive(settings: Settings) -> LocalStore:
    """Where the service of `months` keeps its files."""
    return LocalStore(settings.data_dir / "archive")


@pytest.fixture
def months(settings: Settings, serve: Serve, archive: LocalStore) -> Months:
    """A service, whose reconciler does not run, with what lies in its archive for the months of a dataset."""

    def made(*of: Month, prefix: str = "hls-data") -> httpx.Client:
        app = create_app(settings.model_copy(update={"reconcile": False}), executor=MemoryExecutor())
        with Session(app.state.engine) as session, session.begin():
            for month in of:
                session.add(intake.partition_row(archive, app.state.catalog.engine, prefix, month))
        return serve(app)

    return made


@pytest.fixture
def client(archive: LocalStore, months: Months) -> httpx.Client:
    """A service with one month in its catalogue."""
    put_partition(archive, 60)
    return months(MONTH)


def words(reply: httpx.Response) -> str:
    """What a reader without style and script gets."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", reply.text)).split())


def test_the_archive_at_a_glance(client: httpx.Client) -> None:
    """The state and count of the month are in the text, with a link; later months are missing and lead to the form."""
    page = client.get("/")
    assert page.status_code == 200
    assert 'href="/ui/months/202402?prefix=hls-data"' in page.text
    assert 'aria-label="February 2024: ready, 60 items"' in page.text
    assert "yearMonth=202403&amp;prefix=hls-data" in page.text
    assert "1 ready complete, and harvested" in words(page)
    assert "Bound to no box and no collections yet." in words(page)


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


def test_an_empty_archive_says_what_to_do(quiet_client: httpx.Client) -> None:
    """No table, but the way to the form."""
    page = quiet_client.get("/")
    assert "Nothing yet. Submit a month" in words(page)
    assert "<table" not in page.text


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
