"""What the service answers, as far as the client reads it. A test compares every field with `/openapi.json`."""

from typing import Literal, TypedDict

JobStatus = Literal["pending", "submitted", "running", "succeeded", "failed", "cancelled"]
MonthState = Literal["ready", "unknown", "partial", "stale", "unreadable", "running", "missing"]
FailureCode = Literal[
    "OUT_OF_MEMORY",
    "TIMEOUT",
    "INTERRUPTED",
    "IMAGE",
    "CAPACITY",
    "SOURCE_UNAVAILABLE",
    "INCOMPLETE",
    "WOULD_SHRINK",
    "CONFLICT",
    "STORAGE",
    "BAD_REQUEST",
    "LOST",
    "APP",
]
Scope = Literal["read", "submit", "admin"]


class JobParams(TypedDict):
    yearMonth: str
    bbox: list[float] | None
    collections: list[str]
    prefix: str
    allowShrink: bool


class Progress(TypedDict):
    daysDone: int
    daysTotal: int
    items: int
    itemsPerSecond: float
    waitingFor: str | None


class FailureOut(TypedDict):
    code: FailureCode
    message: str


class NativeOut(TypedDict):
    ref: str | None
    status: str | None
    reason: str | None


class JobOut(TypedDict):
    id: str
    status: JobStatus
    message: str
    params: JobParams
    deduplicated: bool
    progress: Progress | None
    failure: FailureOut | None
    native: NativeOut
    logTail: list[str] | None
    retryOf: str | None
    createdBy: str | None
    createdAt: str
    startedAt: str | None
    endedAt: str | None


class JobsOut(TypedDict):
    jobs: list[JobOut]
    nextCursor: str | None


EventOut = TypedDict("EventOut", {"at": str, "from": JobStatus | None, "to": JobStatus, "who": str, "why": str})


class EventsOut(TypedDict):
    events: list[EventOut]


class LogLineOut(TypedDict):
    at: str | None
    text: str


class LogsOut(TypedDict):
    lines: list[LogLineOut]
    nextToken: str | None
    reason: str | None


class CloudCover(TypedDict):
    count: int
    nulls: int
    min: float | None
    mean: float | None
    max: float | None


class PartitionOut(TypedDict):
    prefix: str
    yearMonth: str
    state: MonthState
    items: int | None
    matched: int | None
    complete: bool | None
    bytes: int | None
    path: str | None
    harvestedAt: str | None
    unreadable: str | None
    sourceJob: str | None
    activeJob: str | None
    collections: dict[str, int] | None
    daysPresent: int | None
    daysMissing: list[str] | None
    firstDatetime: str | None
    lastDatetime: str | None
    extent: list[float] | None
    cloudCover: CloudCover | None
    notes: list[str]


class TileItems(TypedDict):
    tile: str
    items: int


class Tiles(TypedDict):
    number: int
    top: list[TileItems]


class PartitionDetailOut(PartitionOut):
    tiles: Tiles | None


class Totals(TypedDict):
    partitions: int
    items: int
    bytes: int
    states: dict[str, int]


class LookOut(TypedDict):
    requestedAt: str | None
    finishedAt: str | None
    error: str | None


class PartitionsOut(TypedDict):
    partitions: list[PartitionOut]
    totals: Totals
    refresh: LookOut


class RefreshOut(TypedDict):
    requestedAt: str
    message: str


class KeyOut(TypedDict):
    id: str
    name: str
    scope: Scope
    createdAt: str
    createdBy: str
    expiresAt: str | None
    lastUsedAt: str | None
    revokedAt: str | None
    revokedBy: str | None


class NewKeyOut(KeyOut):
    key: str


class KeysOut(TypedDict):
    keys: list[KeyOut]


class ProblemOut(TypedDict):
    title: str
    detail: str
