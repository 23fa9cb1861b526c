"""One HTTP session for the run: each request waits for the limiter, has a time limit, and is tried again."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from requests import PreparedRequest, Request, RequestException, Response, Session
from requests.exceptions import ConnectTimeout, InvalidSchema, InvalidURL, MissingSchema, Timeout, TooManyRedirects
from urllib3.exceptions import HTTPError, ReadTimeoutError

from worker.source.desk import Desk
from worker.source.limiter import Limiter, Stopped, Turn
from worker.source.page import Malformed
from worker.source.retry import TOO_MANY, Complaint, Refusal, passes, retry_after, wait_before
from worker.source.sockets import BreakableAdapter
from worker.source.watch import Watch

_CHUNK = 1 << 18
_PAGE_TIMEOUTS = 5  # a page may take so many times the time that the source may be silent
_ERROR_TEXT = 300
_FINAL = (InvalidSchema, InvalidURL, MissingSchema, TooManyRedirects)

T = TypeVar("T")


class PatientSession:
    """Sends requests for as long as there is hope."""

    def __init__(
        self, *, limiter: Limiter, watch: Watch, timeout: float, longest_wait: float, client_id: str, connections: int
    ) -> None:
        self._limiter, self._watch = limiter, watch
        self._timeout, self._longest_wait = timeout, longest_wait
        self._over = threading.Event()
        self.desk = Desk(self._over)
        self._fault: BaseException | None = None
        self._session = Session()
        self._session.headers.update({"client-id": client_id, "User-Agent": client_id})
        self._adapter = BreakableAdapter(pool_maxsize=connections)
        self._session.mount("http://", self._adapter)
        self._session.mount("https://", self._adapter)

    @property
    def fault(self) -> BaseException | None:
        """Why the run gave up, where it did: every other thread only sees that it is `Stopped`."""
        return self._fault

    def patiently(self, once: Callable[[], T], turn: Turn = ()) -> T:
        """The result of a request and of reading its answer; again and again while `Complaint` or `Malformed` comes.

        `turn` says who of those that wait for a place goes first.

        Raises:
            SourceUnavailable: nothing new came from the source for too long.
            Refusal: the source will not answer this request.
            Stopped: the run is over.
        """
        failures = 0
        while True:
            with self._limiter.slot(turn) as place:
                try:
                    result = once()
                except (Complaint, Malformed) as complaint:
                    if self._over.is_set():
                        raise Stopped from complaint
                    gate = self._bearable(getattr(complaint, "retry_after", None))
                    self._limiter.failed(place.had, gate, too_many=getattr(complaint, "too_many", False))
                    reason = str(complaint)
                else:
                    self._limiter.succeeded(place)
                    return result
            failures += 1
            self._watch.complained(reason)
            self.pause(failures)

    def pause(self, failures: int) -> None:
        """Wait before the next try. Raises `Stopped` if the run ends meanwhile."""
        self.desk.leave()
        if self._over.wait(wait_before(failures, self._bearable(self._longest_wait))):
            raise Stopped

    def send(self, request: Request) -> bytes:
        """The body of the answer to one request, sent once.

        Raises:
            Complaint: it failed in a way that may pass.
            Refusal: the source will not answer it.
        """
        try:
            prepared = self._session.prepare_request(request)
            settings = self._session.merge_environment_settings(prepared.url, {}, True, None, None)
            with self._session.send(prepared, timeout=self._timeout, **settings) as response:
                self.desk.take()
                body = self._read(response)
        except _FINAL as error:
            raise Refusal(f"{error} ({request.method} {request.url})") from error
        except (RequestException, HTTPError, OSError) as error:
            raise Complaint(f"{self._told(error)} ({_place(prepared)})") from error
        if 200 <= response.status_code < 300:
            return body
        answer = f"{response.status_code} {response.reason}: {_text(body)} ({_place(prepared)})"
        if passes(response.status_code):
            after = retry_after(response.headers.get("Retry-After"))
            raise Complaint(answer, retry_after=after, too_many=response.status_code == TOO_MANY)
        raise Refusal(answer)

    def give_up(self, fault: BaseException) -> None:
        """Stop because of this; of several faults the first is kept."""
        if self._fault is None and not self._over.is_set():
            self._fault = fault
        self.stop()

    def stop(self) -> None:
        """End every wait, and break the requests under way: a source that is silent would hold them."""
        self._over.set()
        self._limiter.stop()
        self._adapter.break_connections()

    def _bearable(self, seconds: float | None) -> float:
        """No wait outlasts what is left of patience, so that a hopeless run ends in time."""
        return min(seconds or 0.0, self._watch.remaining() + 1)

    def _read(self, response: Response) -> bytes:
        """The whole body, unless it drips: a time-out of the socket begins anew with every byte."""
        deadline = time.monotonic() + _PAGE_TIMEOUTS * self._timeout
        parts = []
        while part := response.raw.read1(_CHUNK, decode_content=True):  # `read` would wait for the whole chunk
            parts.append(part)
            if time.monotonic() > deadline:
                raise Complaint(f"the answer took longer than {_PAGE_TIMEOUTS * self._timeout:g} seconds")
        return b"".join(parts)

    def _told(self, error: Exception) -> str:
        if isinstance(error, (Timeout, ReadTimeoutError)):
            what = "no connection" if isinstance(error, ConnectTimeout) else "no answer"
            return f"{what} for {self._timeout:g} seconds"
        return f"the connection failed: {_cause(error)}"


def _cause(error: BaseException) -> str:
    """What is below all that the libraries wrap around it."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return f"{type(error).__name__}: {error}"


def _text(body: bytes) -> str:
    return " ".join(body[:_ERROR_TEXT].decode("utf-8", "replace").split())


def _place(request: PreparedRequest) -> str:
    return f"{request.method} {(request.url or '').partition('?')[0]}"
