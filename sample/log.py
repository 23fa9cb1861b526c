"""The log of requests, which tests read in the same process, or as JSON lines from another."""

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import orjson

SEARCH_PATHS = ("/search", "/items")


@dataclass
class Record:
    """One request. `status` is None until the answer begins, `seconds` until it has ended, also by a broken connection."""

    number: int
    time: float
    method: str
    path: str
    in_flight: int
    parameters: dict[str, str] = field(default_factory=dict)
    cursor: str | None = None
    status: int | None = None
    returned: int | None = None
    matched: int | None = None
    faults: list[str] = field(default_factory=list)
    spoilt: list[str] = field(default_factory=list)
    seconds: float | None = None

    @property
    def is_search(self) -> bool:
        return self.path.endswith(SEARCH_PATHS)


class RequestLog:
    """Every request in the order of arrival; a file, if given, gets each as a line of JSON once it has ended."""

    def __init__(self, path: Path | None = None) -> None:
        self.records: list[Record] = []
        self.in_flight = 0
        self._file: IO[bytes] | None = path.open("ab", buffering=0) if path else None

    def begin(self, method: str, path: str) -> Record:
        self.in_flight += 1
        record = Record(len(self.records) + 1, time.time(), method, path, self.in_flight)
        self.records.append(record)
        return record

    def end(self, record: Record) -> None:
        self.in_flight -= 1
        record.seconds = time.time() - record.time
        if self._file:
            self._file.write(orjson.dumps(asdict(record)) + b"\n")

    def close(self) -> None:
        if self._file:
            self._file.close()

    def searches(self, **parameters: str) -> list[Record]:
        """Searches whose parameters have these values, for example `collections="HLSL30_2.0"`."""
        return [
            record
            for record in list(self.records)
            if record.is_search and parameters.items() <= record.parameters.items()
        ]

    def clear(self) -> None:
        """Forget what has been; requests in flight still count as such."""
        self.records = []


def read_log(path: Path) -> list[dict[str, Any]]:
    """The records of a log file, each as a dictionary."""
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]
