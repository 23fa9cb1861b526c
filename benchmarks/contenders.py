"""What is compared: each way to get a month from a STAC API, as a command."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.prepare import MONTH
from worker.contract.collections import COLLECTIONS
from worker.contract.layout import partition_key
from worker.contract.month import Month

OURS = "ours"
RUSTAC = "rustac.search_to"
STAC_GEOPARQUET = "stac-geoparquet"
STAC_GEOPARQUET_NO_COLLECTOR = "stac-geoparquet, collector off"
FETCH, PARSE, CONVERT = "fetch the pages only", "fetch and parse with simdjson", "hot path: fetch and convert to Arrow"


@dataclass(frozen=True)
class Contender:
    """`command` takes the API's address and an empty folder; `file` is what it makes in that folder, if it makes one."""

    name: str
    command: Callable[[str, Path], list[str]]
    file: Path | None = None
    environment: Callable[[str, Path], dict[str, str]] = field(default=lambda _url, _folder: {})


def ours() -> Contender:
    """The whole worker, from the first request to the verified and published file."""
    return Contender(
        name=OURS,
        command=lambda _url, folder: [
            *(sys.executable, "-m", "worker", "--year-month", MONTH, "--parallel", "--job-id", "benchmark"),
            *("--destination", (folder / "archive").as_uri()),
        ],
        file=Path("archive") / partition_key("hls-data", Month.parse(MONTH)),
        environment=lambda url, folder: {"STAC_API_URL": url, "TEMP_DIR": str(folder / "temporary")},
    )


def peers() -> list[Contender]:
    """What people would pick instead, each to one zstd Parquet file."""
    return [
        _peer(RUSTAC, "rustac_search_to"),
        _peer(STAC_GEOPARQUET, "stac_geoparquet_search"),
        _peer(STAC_GEOPARQUET_NO_COLLECTOR, "stac_geoparquet_search", "--no-collector"),
    ]


def limits() -> list[Contender]:
    """The hot path alone, and what bounds it."""
    return [
        Contender(name, lambda url, _folder, mode=mode: _script("pages", mode, url, *_WANTED))  # type: ignore[misc]  # a default that binds the loop's variable
        for name, mode in ((FETCH, "fetch"), (PARSE, "parse"), (CONVERT, "convert"))
    ]


def _peer(name: str, script: str, *options: str) -> Contender:
    file = Path("month.parquet")
    return Contender(name, lambda url, folder: _script(script, *options, url, *_WANTED, str(folder / file)), file)


def _script(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"benchmarks.peers.{name}", *arguments]


_BEGIN, _END = Month.parse(MONTH).start, Month.parse(MONTH).end
_WANTED = (f"{_BEGIN:%Y-%m-%dT%H:%M:%SZ}/{_END:%Y-%m-%dT%H:%M:%SZ}", ",".join(COLLECTIONS))
