"""One request after another: who asks, how long it may take, what is tried again, and that a stop is obeyed at once."""

import gzip
import re
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

import pytest
from answers import say
from requests import Request

from worker.errors import SourceUnavailable
from worker.source.http import PatientSession
from worker.source.limiter import Limiter, Stopped
from worker.source.retry import Complaint, Refusal
from worker.source.watch import Watch

from .conftest import Serving


def session(*, timeout: float = 5, patience: float = 30, longest_wait: float = 0.05) -> PatientSession:
    watch = Watch(patience)
    limiter = Limiter(10)
    return PatientSession(
        limiter=limiter, watch=watch, timeout=timeout, longest_wait=longest_wait, client_id="me/1", connections=10
    )


def test_a_request_says_who_asks_and_takes_gzip(serving: Serving) -> None:
    """NASA wants clients to be named; gzip makes a page a tenth, and is unpacked."""
    seen: list[dict[str, str]] = []

    def answer(to: BaseHTTPRequestHandler) -> None:
        seen.append({name.lower(): value for name, value in to.headers.items()})
        body = gzip.compress(b"x" * 5000)
        to.send_response(200)
        to.send_header("Content-Encoding", "gzip")
        to.send_header("Content-Length", str(len(body)))
        to.end_headers()
        to.wfile.write(body)

    with serving(answer) as url:
        assert session().send(Request("GET", url)) == b"x" * 5000
    assert seen[0]["client-id"] == seen[0]["user-agent"] == "me/1"
    assert "gzip" in seen[0]["accept-encoding"]


def test_an_answer_that_drips_is_broken_off(serving: Serving) -> None:
    """Each byte comes in time, but the whole takes too long: five times the time-out is what an answer gets."""
    gone = threading.Event()

    def answer(to: BaseHTTPRequestHandler) -> None:
        to.send_response(200)
        to.send_header("Content-Length", "100000")
        to.end_headers()
        for _ in range(1000):
            try:
                to.wfile.write(b"x")
            except OSError:
                break
            time.sleep(0.02)
        gone.set()

    with serving(answer) as url:
        began = time.monotonic()
        with pytest.raises(Complaint, match=r"longer than 0\.5 seconds"):
            session(timeout=0.1).send(Request("GET", url))
        assert 0.5 <= time.monotonic() - began < 5
        assert gone.wait(5)


@pytest.mark.parametrize("cut", [True, False], ids=["cut in the middle", "closed before an answer"])
def test_a_broken_connection_is_a_complaint(cut: bool, serving: Serving) -> None:
    """A body that ends early is never taken for a whole one."""

    def answer(to: BaseHTTPRequestHandler) -> None:
        if cut:
            to.send_response(200)
            to.send_header("Content-Length", "100")
            to.end_headers()
            to.wfile.write(b"{}")
        to.close_connection = True

    with serving(answer) as url, pytest.raises(Complaint, match="connection failed"):
        session().send(Request("GET", url))


def test_nobody_answers_there() -> None:
    """It is said in the system's words, without the layers that the libraries wrap around them."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Complaint) as complaint:
        session().send(Request("GET", f"http://127.0.0.1:{port}/"))
    where = rf"\(GET http://127\.0\.0\.1:{port}/\)"
    assert re.fullmatch(
        rf"the connection failed: ConnectionRefusedError: \[Errno \d+\] Connection refused {where}",
        str(complaint.value),
    )


def test_redirects_are_followed_but_not_for_ever(serving: Serving) -> None:
    """One redirect leads to the answer; a circle of them will be the same tomorrow."""

    def answer(to: BaseHTTPRequestHandler) -> None:
        target = {"/old": "/new", "/round": "/round"}.get(to.path)
        say(to, 301 if target else 200, "here" if not target else "", **({"Location": target} if target else {}))

    with serving(answer) as url:
        assert session().send(Request("GET", f"{url}/old")) == b"here"
        with pytest.raises(Refusal, match="redirects"):
            session().send(Request("GET", f"{url}/round"))


@pytest.mark.parametrize("address", ["http://", "ftp://127.0.0.1/", "http://[::bad", "nowhere"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    """No patience for what cannot be asked."""
    with pytest.raises(Refusal):
        session().send(Request("GET", address))


@pytest.mark.parametrize(("status", "too_many"), [(429, True), (503, False)])
def test_only_the_source_says_that_it_was_too_many(serving: Serving, status: int, too_many: bool) -> None:
    """Other failures may have nothing to do with how much it is asked for."""
    with serving(lambda to: say(to, status, "not now")) as url, pytest.raises(Complaint) as complaint:
        session().send(Request("GET", url))
    assert complaint.value.too_many is too_many


def test_failures_pass_and_refusals_do_not(serving: Serving) -> None:
    """A request is sent again after 500, 429 and 503, and not after 404."""
    answers = iter([500, 429, 503, 200, 404])

    def answer(to: BaseHTTPRequestHandler) -> None:
        say(to, next(answers), "text")

    with serving(answer) as url:
        patient = session()
        assert patient.patiently(lambda: patient.send(Request("GET", url))) == b"text"
        with pytest.raises(Refusal, match=r"^404 Not Found: text \(GET http"):
            patient.patiently(lambda: patient.send(Request("GET", url)))


def test_retry_after_is_honoured_by_all(serving: Serving) -> None:
    """For as long as the source asks for, no thread sends anything."""
    asked: list[float] = []

    def answer(to: BaseHTTPRequestHandler) -> None:
        asked.append(time.monotonic())
        say(to, 429 if len(asked) == 1 else 200, "text", **({"Retry-After": "1"} if len(asked) == 1 else {}))

    with serving(answer) as url:
        patient = session()
        patient_once: Callable[[], bytes] = lambda: patient.send(Request("GET", url))  # noqa: E731  named for its type
        first = threading.Thread(target=patient.patiently, args=(patient_once,))
        first.start()
        while not asked:
            time.sleep(0.005)
        time.sleep(0.1)
        others = [threading.Thread(target=patient.patiently, args=(patient_once,)) for _ in range(3)]
        for thread in others:
            thread.start()
        for thread in [first, *others]:
            thread.join()
    assert len(asked) == 5
    assert asked[1] - asked[0] >= 0.95


def test_no_wait_outlasts_patience(serving: Serving) -> None:
    """A source that asks for an hour of patience where there is a second of it left is given up in time."""

    def answer(to: BaseHTTPRequestHandler) -> None:
        say(to, 503, "Oops!", **{"Retry-After": "3600"})

    with serving(answer) as url:
        patient = session(patience=0.5, longest_wait=600)
        began = time.monotonic()
        with pytest.raises(SourceUnavailable, match=r"no new page for \d seconds; .* 503 Service Unavailable: Oops!"):
            patient.patiently(lambda: patient.send(Request("GET", url)))
        assert time.monotonic() - began < 10


def test_a_stop_breaks_a_silent_request(serving: Serving) -> None:
    """A source that says nothing holds nobody who is to end: not while it is waited for, not while it is read."""
    release, held = threading.Event(), threading.Semaphore(0)

    def answer(to: BaseHTTPRequestHandler) -> None:
        if to.path == "/body":
            to.send_response(200)
            to.send_header("Content-Length", "100")
            to.end_headers()
            to.wfile.write(b"x")
        held.release()
        release.wait(60)

    outcome: list[str] = []
    with serving(answer) as url:
        patient = session(timeout=60)

        def ask(path: str) -> None:
            try:
                patient.patiently(lambda: patient.send(Request("GET", f"{url}{path}")))
            except Stopped:
                outcome.append("stopped")

        threads = [threading.Thread(target=ask, args=(path,)) for path in ("/silent", "/body")]
        for thread in threads:
            thread.start()
        for _ in threads:
            assert held.acquire(timeout=5)
        patient.stop()
        for thread in threads:
            thread.join(10)
        release.set()
    assert outcome == ["stopped", "stopped"]
