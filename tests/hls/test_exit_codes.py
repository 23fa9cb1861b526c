"""The exit codes of a service that fails, is away in part, or is none."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from hls.faults import ExitCode


@contextmanager
def _answering(status: int, body: str, headers: dict[str, str]) -> Iterator[str]:
    """The address of a server that answers everything alike."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class has it so
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def _problem(title: str, **more: str) -> str:
    return json.dumps({"type": "about:blank", "title": title, "detail": "what happened", **more})


@pytest.mark.parametrize(
    ("status", "body", "headers", "code", "said"),
    [
        (500, _problem("Broken", requestId="0123abcd"), {}, ExitCode.SERVICE_FAILED, "request 0123abcd"),
        (503, _problem("The database is away"), {"retry-after": "7"}, ExitCode.TRY_LATER, "Try again in 7 s."),
        (429, _problem("Too many requests"), {"retry-after": "9"}, ExitCode.TRY_LATER, "Try again in 9 s."),
        (502, "<html>Bad gateway</html>", {}, ExitCode.SERVICE_FAILED, "any proxy between"),
        (200, "<html>Welcome</html>", {}, ExitCode.SERVICE_FAILED, "not this service"),
        (404, '{"detail": "Not Found"}', {}, ExitCode.SERVICE_FAILED, "not this service"),
    ],
)
def test_what_a_service_in_trouble_answers(
    hls: Callable[..., Any], status: int, body: str, headers: dict[str, str], code: ExitCode, said: str
) -> None:
    """Each has its code for scripts and its words for people; nothing is on the standard output."""
    with _answering(status, body, headers) as url:
        ended = hls("jobs", "--url", url)
    assert (ended.code, ended.out, said in ended.err) == (code, "", True), ended
