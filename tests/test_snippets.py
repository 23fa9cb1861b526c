"""Every block of code in README and docs is run, or says in a comment before it why not."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from demos import check_end, check_words, staying
from lives import Lives
from months import harvested
from services import service

from hls.client import Client
from sample.catalog import Catalog
from sample.server import running

if TYPE_CHECKING:
    from tests.conftest import S3Server

REPOSITORY = Path(__file__).parent.parent
CHECKED_ELSEWHERE = {"operations.md"}
"""Its commands go to a stand-in of AWS, in tests/infra."""
PAGES = ("README.md", *(f"docs/{path.name}" for path in sorted((REPOSITORY / "docs").glob("*.md"))))
NOT_RUN = 5
"""Blocks with a reason not to be run; a further one is to be thought about."""
HOST = "http://127.0.0.1:8000"


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    page: str
    line: int
    language: str
    code: str
    reason: str | None
    """Why it is not run."""


def _blocks(page: str) -> Iterator[Block]:
    text = (REPOSITORY / page).read_text()
    pattern = re.compile(r"^(?:<!-- not run: ([^>]+?) -->\n)?```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    for found in pattern.finditer(text):
        reason, language, code = found.groups()
        yield Block(page, text[: found.start(2)].count("\n") + 1, language, code, reason)


BLOCKS = [block for page in PAGES if Path(page).name not in CHECKED_ELSEWHERE for block in _blocks(page)]
RUN = [block for block in BLOCKS if block.reason is None and block.language in ("bash", "python", "sql")]
README = [block for block in RUN if block.page == "README.md"]
READERS = [block for block in RUN if block.page == "docs/data.md" and block.language == "python"]


@dataclass(frozen=True)
class Place:
    """A folder as a reader of the docs has it, and the environment of a reader's shell."""

    folder: Path
    url: str
    environment: dict[str, str]


@pytest.fixture(scope="module")
def place(lives: Lives, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A service with a month of the world."""
    folder = tmp_path_factory.mktemp("reader")
    with (
        running(Catalog.generated(items_per_month=150)) as source,
        service(lives, folder, source=source.url, HLS_DATA_DIR=str(folder / "data"), HLS_LOCAL_WORKERS="4") as its,
        Client(its.url) as client,
    ):
        harvested(client, ["202402"])
        environment = _shell(folder, its.url)
        yield Place(folder, its.url, {**environment, "STAC_API_URL": source.url, "TEMP_DIR": str(folder / "temporary")})


def _shell(folder: Path, url: str) -> dict[str, str]:
    """A reader's environment: `hls` and a `make` that only says what it would do are on the path."""
    tools = folder / "tools"
    tools.mkdir()
    _script(tools / "hls", f'exec "{sys.executable}" -m hls "$@"')
    _script(tools / "make", f'exec /usr/bin/env PATH="$OLD_PATH" make --dry-run -C "{REPOSITORY}" "$@"')
    (folder / ".venv").symlink_to(Path(sys.executable).parent.parent)
    return {
        **os.environ,
        "OLD_PATH": os.environ["PATH"],
        "PATH": f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
        "HLS_URL": url,
        "HLS_CONFIG": str(folder / "none.toml"),
    }


@pytest.mark.timeout(400)
def test_readme_from_top_to_bottom(tmp_path: Path) -> None:
    """Every block ends well, in order, in the folder where `hls demo --stay` has just told its story and stays. What
    it said is true, and at its end it leaves nothing behind."""
    with staying(tmp_path, "--items", "1000") as demo:
        source = check_words(demo)
        place = Place(tmp_path, demo.url, _shell(tmp_path, demo.url))
        said = {block.line: _run(block, place, tmp_path) for block in README}
        check_end(demo, source)
    everything = "".join(said.values())
    assert "Missing in hls-data-bbox-5cbbdf76" in everything, "there is something to be asked for again"
    assert re.search(r"^\w+ +202403 in hls-data-bbox-5cbbdf76: asked for$", everything, re.MULTILINE)


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "block",
    [block for block in RUN if block not in README and block not in READERS],
    ids=lambda block: f"{block.page}:{block.line}",
)
def test_it_runs_as_it_stands(place: Place, block: Block) -> None:
    """Each shell block, Python snippet and query of docs/ ends well where a reader would run it; see below for those
    that read the archive."""
    _run(block, place, place.folder / "data/archive" if block.page == "docs/data.md" else place.folder)


@pytest.mark.parametrize("block", READERS, ids=lambda block: f"{block.page}:{block.line}")
def test_it_reads_a_directory_and_a_bucket(place: Place, s3_server: "S3Server", s3_root: str, block: Block) -> None:
    """Each Python snippet of docs/data.md ends well in the archive as it stands, and reads the same from a bucket with
    `s3://BUCKET/` before its paths, as the page says."""
    archive = place.folder / "data/archive"
    for path in archive.glob("hls-data/**/*.*"):
        s3_server.client.upload_file(str(path), s3_root.removeprefix("s3://"), str(path.relative_to(archive)))
    in_bucket = replace(block, code=block.code.replace('"hls-data', f'"{s3_root}/hls-data'))
    assert in_bucket.code != block.code
    reader = {**place.environment, **s3_server.environment, "AWS_ALLOW_HTTP": "true"}
    assert _run(in_bucket, replace(place, environment=reader), place.folder) == _run(block, place, archive)


def _run(block: Block, place: Place, folder: Path) -> str:
    """Everything that it wrote."""
    code = block.code.replace(HOST, place.url)
    commands = {
        "bash": ["bash", "-euo", "pipefail", "-c", code],
        "python": [sys.executable, "-W", "error", "-c", code],
        "sql": [sys.executable, "-c", "import duckdb, sys; print(duckdb.sql(sys.argv[1]).fetchall())", code],
    }
    ended = subprocess.run(
        commands[block.language],
        cwd=folder,
        env=place.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, f"{block.page}:{block.line}\n{ended.stdout[-3000:]}"
    return ended.stdout


def test_what_is_not_run_says_why() -> None:
    """A block in another language holds no code to run; one that is not run has a reason, and they are counted."""
    assert {block.language for block in BLOCKS} <= {"bash", "python", "sql", "toml", ""}
    assert len([block for block in BLOCKS if block.reason]) == NOT_RUN
    assert len(RUN) > 10
    marks = sum((REPOSITORY / page).read_text().count("<!-- not run:") for page in PAGES)
    assert marks == NOT_RUN, "a mark stands right before its block"


def _script(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
