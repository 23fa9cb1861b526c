"""A client for the service's REST API."""

import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Self, TypeVar, cast
from urllib.parse import quote

import httpx

from hls import operations as ops
from hls.faults import BadConfig, Fault, NotTheService, ServiceError, Unreachable
from hls.models import (
    EventOut,
    JobOut,
    JobsOut,
    KeyOut,
    LogLineOut,
    LogsOut,
    NewKeyOut,
    PartitionDetailOut,
    PartitionsOut,
    RefreshOut,
    Scope,
)
from hls.operations import Operation

T = TypeVar("T")

ENDED = frozenset(("succeeded", "failed", "cancelled"))
_PAGE = 100
_SHORTEST_PAUSE = 0.1
_AWAY = frozenset((429, 502, 503, 504))

__all__ = ["ENDED", "Client", "ServiceError"]


class Client:
    """Calls the service at `url`; `key` is sent where one is given. Times out after `timeout` seconds a call.

    Every method raises `Unreachable`, `NotTheService` or `ServiceError`, all of them `Fault`.

    Raises:
        BadConfig: the address is none, or the key cannot be sent.
    """

    def __init__(self, url: str, key: str | None = None, timeout: float = 30) -> None:
        self.url = url.rstrip("/")
        # A proxy, which the environment may name, knows nothing of this machine's own ports.
        is_here = _is_loopback(_host(self.url))
        # Nor is there a certificate to check where nothing is encrypted: to read the trusted ones takes longer than a call.
        checks = not (is_here and self.url.startswith("http:"))
        self._http = httpx.Client(
            base_url=self.url, headers=_headers(key), timeout=timeout, trust_env=not is_here, verify=checks
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def ready(self) -> bool:
        """Whether the service takes jobs now."""
        try:
            return self._http.request(ops.READY.method, ops.READY.path).status_code == 200
        except httpx.TransportError:
            return False

    def submit(
        self,
        year_month: str,
        *,
        bbox: list[float] | None = None,
        collections: list[str] | None = None,
        prefix: str | None = None,
        allow_shrink: bool = False,
    ) -> JobOut:
        """Ask for a month (YYYYMM), in a box of west, south, east, north in degrees. The job, new or active already."""
        wishes = {"bbox": bbox, "collections": collections, "prefix": prefix, "allowShrink": allow_shrink or None}
        return cast(JobOut, self._call(ops.SUBMIT_JOB, body={"yearMonth": year_month, **_given(wishes)}))

    def jobs(
        self,
        *,
        status: list[str] | None = None,
        year_month: str | None = None,
        prefix: str | None = None,
        limit: int | None = None,
    ) -> Iterator[JobOut]:
        """Jobs, newest first, as many pages as it takes; at most `limit`."""
        wishes = _given({"status": status, "yearMonth": year_month, "prefix": prefix})
        left = limit
        cursor: str | None = None
        while left is None or left > 0:
            size = _PAGE if left is None else min(left, _PAGE)
            query = {**wishes, "limit": size, **_given({"cursor": cursor})}
            page = cast(JobsOut, self._call(ops.LIST_JOBS, query=query))
            yield from page["jobs"]
            left = None if left is None else left - len(page["jobs"])
            cursor = page["nextCursor"]
            if cursor is None:
                return

    def job(self, job_id: str) -> JobOut:
        return cast(JobOut, self._call(ops.GET_JOB, job_id))

    def events(self, job_id: str) -> list[EventOut]:
        """Every change of the job's state, oldest first."""
        return cast(list[EventOut], self._call(ops.LIST_EVENTS, job_id)["events"])

    def log_page(self, job_id: str, token: str | None = None) -> LogsOut:
        """The lines after those of the page that gave `token`, from the beginning without one."""
        return cast(LogsOut, self._call(ops.READ_LOGS, job_id, query=_given({"token": token})))

    def log_lines(
        self, job_id: str, *, follow: bool = False, every: float = 1, patience: float = 0
    ) -> Iterator[LogLineOut]:
        """The lines of the job's log; with `follow` until the job has ended, waiting `every` seconds between looks, and
        less at first.

        A service that is away for less than `patience` seconds is waited for.
        """
        token, seen = None, 0
        pauses = _pauses(every)
        while True:
            is_over = not follow or _patiently(self.job, job_id, every=every, patience=patience)["status"] in ENDED
            while True:
                page = _patiently(self.log_page, job_id, token, every=every, patience=patience)
                seen = seen if seen <= len(page["lines"]) else 0  # a new attempt begins a log of its own
                yield from page["lines"][seen:]
                seen = len(page["lines"])  # the last page is read again until another one follows it
                if page["nextToken"] is None:
                    break
                token, seen = page["nextToken"], 0
            if is_over:
                return
            time.sleep(next(pauses))

    def cancel(self, job_id: str) -> JobOut:
        return cast(JobOut, self._call(ops.CANCEL_JOB, job_id))

    def retry(self, job_id: str) -> JobOut:
        """A new job like the failed or cancelled one."""
        return cast(JobOut, self._call(ops.RETRY_JOB, job_id))

    def partitions(
        self,
        *,
        prefix: str | None = None,
        first: str | None = None,
        last: str | None = None,
        state: list[str] | None = None,
    ) -> PartitionsOut:
        """What the archive holds, months that are missing included."""
        query = _given({"prefix": prefix, "from": first, "to": last, "state": state})
        return cast(PartitionsOut, self._call(ops.LIST_PARTITIONS, query=query))

    def partition(self, year_month: str, prefix: str) -> PartitionDetailOut:
        """One month of a dataset in depth."""
        return cast(PartitionDetailOut, self._call(ops.GET_PARTITION, year_month, query={"prefix": prefix}))

    def refresh(self) -> RefreshOut:
        """Ask for a look at the archive."""
        return cast(RefreshOut, self._call(ops.REFRESH))

    def create_key(self, name: str, scope: Scope, expires_at: str | None = None) -> NewKeyOut:
        body = {"name": name, "scope": scope, **_given({"expiresAt": expires_at})}
        return cast(NewKeyOut, self._call(ops.CREATE_KEY, body=body))

    def keys(self) -> list[KeyOut]:
        return cast(list[KeyOut], self._call(ops.LIST_KEYS)["keys"])

    def revoke_key(self, key_id: str) -> KeyOut:
        return cast(KeyOut, self._call(ops.REVOKE_KEY, key_id))

    def watch(self, job_id: str, every: float = 0.5, patience: float = 0) -> Iterator[JobOut]:
        """The job again and again, every so many seconds and more often at first, until it has ended; the last one is
        the ended job.

        A service that is away for less than `patience` seconds, as while it is restarted, is waited for.
        """
        pauses = _pauses(every)
        while True:
            job = _patiently(self.job, job_id, every=every, patience=patience)
            yield job
            if job["status"] in ENDED:
                return
            time.sleep(next(pauses))

    def _call(
        self,
        operation: Operation,
        *places: str,
        query: dict[str, Any] | None = None,
        body: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Fills the operation's path with `places`, in order."""
        path = operation.path
        for place in places:
            before, _, rest = path.partition("{")
            path = before + _quoted(place) + rest.partition("}")[2]
        try:
            reply = self._http.request(operation.method, path, params=query, json=body)
        except httpx.TransportError as error:
            raise Unreachable(self.url, str(error) or type(error).__name__) from error
        return self._read(reply)

    def _read(self, reply: httpx.Response) -> dict[str, Any]:
        try:
            content = reply.json()
        except ValueError:
            content = None
        if not isinstance(content, dict) or (reply.is_error and "type" not in content):
            raise NotTheService(self.url, reply.status_code)
        if reply.is_error:
            raise ServiceError(reply.status_code, content, _seconds(reply.headers.get("retry-after")))
        return content


def _host(url: str) -> str:
    try:
        host = httpx.URL(url).host
        host.encode("idna")
    except (httpx.InvalidURL, UnicodeError) as error:
        raise BadConfig(f"{url!r} is no address of a service ({error}): write it as http://HOST:PORT.") from error
    return host


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _headers(key: str | None) -> dict[str, str]:
    """What shows the key. It is stripped, because files and secret stores end it with a new line."""
    key = (key or "").strip()
    if not (key.isascii() and key.isprintable()):
        raise BadConfig("The key cannot be sent: keys are ASCII letters, digits and signs, in one line.")
    return {"Authorization": f"Bearer {key}"} if key else {}


def _given(wishes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in wishes.items() if value is not None and value != []}


def _patiently(ask: Callable[..., T], *arguments: str | None, every: float, patience: float) -> T:
    """What is answered, once it is: a service that is away is asked again for `patience` seconds."""
    until = time.monotonic() + patience
    while True:
        try:
            return ask(*arguments)
        except Fault as fault:
            if not _is_away(fault) or time.monotonic() > until:
                raise
            time.sleep(max(every, getattr(fault, "retry_after", None) or 0))


def _pauses(every: float) -> Iterator[float]:
    """How long to wait before each look: a fifth of the time so far, so that little is added to what ends soon."""
    begun = time.monotonic()
    while True:
        yield min(every, max(_SHORTEST_PAUSE, (time.monotonic() - begun) / 5))


def _is_away(fault: Fault) -> bool:
    return isinstance(fault, Unreachable) or (isinstance(fault, ServiceError) and fault.status in _AWAY)


def _seconds(header: str | None) -> float | None:
    return float(header) if header is not None and header.isdigit() else None


def _quoted(place: str) -> str:
    """Encoded whole, so that an id with a slash leads to no other address."""
    return quote(place, safe="")
