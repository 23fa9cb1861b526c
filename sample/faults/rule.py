"""One fault as data, and how it is written."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from sample.faults.kinds import KINDS
from sample.reply import ERRORS

_CONDITIONS = ("rate", "at", "times", "day", "collection", "page", "on")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One kind of misbehaviour and when it happens. Without a condition it happens to every request.

    Args:
        kind: one of `KINDS`.
        rate: share of the requests, drawn anew for each, so that a repeated request gets a new draw.
        at: positions, counted from 1 among the requests that the conditions below let through; for faults of the page
            and of the wire, among those of them that are answered.
        times: at most so many times.
        day: only searches whose time range touches this day.
        collection: only searches that name this collection.
        page: only this page of a search, from 1.
        on: `search` (the default), `landing` or `all`.
        id: an item: the one to spoil, to ingest or to remove.
        seconds: how long an outage, a hang, a drip or the added latency takes.
        retry_after: seconds to put into `Retry-After`.
        status: of an outage: 429, 500, 502, 503 (the default) or 504.
        limit: requests that the server takes at once.
        count: how many items of the page are spoilt (1 unless said).
        bands: how many bands a spoilt item lacks (3 unless said).
        lasting: items once spoilt stay so; else they are whole the next time.
        share: of the catalogue that is ingested or removed (0.01 unless said).
    """

    kind: str
    rate: float | None = None
    at: tuple[int, ...] = ()
    times: int | None = None
    day: date | None = None
    collection: str | None = None
    page: int | None = None
    on: str = "search"
    id: str | None = None
    seconds: float | None = None
    retry_after: float | None = None
    status: int = 503
    limit: int = 1
    count: int = 1
    bands: int = 3
    lasting: bool = False
    share: float = 0.01

    def __post_init__(self) -> None:
        kind = KINDS.get(self.kind)
        if kind is None:
            raise ValueError(f"there is no fault {self.kind!r}: choose from {', '.join(KINDS)}")
        changed = {f.name for f in fields(self) if getattr(self, f.name) != f.default} - {"kind", *_CONDITIONS}
        if misplaced := sorted(changed - set(kind.options)):
            raise ValueError(f"the fault {self.kind} has no {', '.join(misplaced)}")
        if self.rate is not None and not 0 <= self.rate <= 1:
            raise ValueError(f"rate is a share from 0 to 1, not {self.rate:g}")
        if self.status not in ERRORS:
            raise ValueError(f"status is one of {', '.join(map(str, ERRORS))}, not {self.status}")
        if self.on not in ("search", "landing", "all"):
            raise ValueError(f"on is search, landing or all, not {self.on!r}")

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """Read `kind` or `kind:name=value,name=value`; several positions are joined by `+`, as in `at=3+7`.

        Raises:
            ValueError: no such kind, no such name, or a value of another type.
        """
        kind, _, options = text.partition(":")
        pairs = [option.partition("=") for option in options.split(",") if option]
        return cls.from_mapping({"kind": kind} | {name: value for name, _, value in pairs})

    @classmethod
    def from_mapping(cls, given: Mapping[str, Any]) -> "Fault":
        """Read a JSON object with the names of the arguments.

        Raises:
            ValueError: as `parse`.
        """
        if unknown := sorted(set(given) - {f.name for f in fields(cls)}):
            raise ValueError(f"a fault has no {', '.join(unknown)}")
        return cls(**{name: _READ.get(name, str)(value) for name, value in given.items() if value is not None})


def _positions(value: Any) -> tuple[int, ...]:
    parts = value if isinstance(value, (list, tuple)) else str(value).split("+")
    return tuple(int(part) for part in parts)


def _truth(value: Any) -> bool:
    if str(value).lower() not in ("true", "false"):
        raise ValueError(f"lasting is true or false, not {value!r}")
    return str(value).lower() == "true"


def _day(value: Any) -> date:
    return value if isinstance(value, date) else date.fromisoformat(value)


_READ: dict[str, Any] = {
    "at": _positions,
    "day": _day,
    "lasting": _truth,
    **dict.fromkeys(("rate", "seconds", "retry_after", "share"), float),
    **dict.fromkeys(("times", "page", "status", "limit", "count", "bands"), int),
}
