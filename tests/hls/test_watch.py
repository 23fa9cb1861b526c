"""`hls watch` as a process: through a source that throttles, on a terminal, and interrupted."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from terminals import on_a_terminal, plain

from hls.client import Client
from hls.faults import Unreachable
from sample.server import Running

HLS = (sys.executable, "-m", "hls")


@contextmanager
def _watching(environment: dict[str, str], *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [*HLS, *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        bufsize=1,
        # Tests that a shell runs in the background ignore it, and a child would go on to.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _line(process: "subprocess.Popen[str]", wanted: str) -> str:
    """The first line with it. The test's own time-out ends a wait for nothing."""
    assert process.stderr
    seen = []
    for line in process.stderr:
        seen.append(line)
        if wanted in line:
            return line
    raise AssertionError((wanted, seen))


def test_through_a_throttled_source(environment: dict[str, str], spoilt: Running, client: Client) -> None:
    """From submission to the end, one line a change: what it waits for while the source throttles, and how far it is,
    until it succeeds; no colour off a terminal. A second watcher ends with 130 at Ctrl-C and says how to go on; the job
    goes on to its end, and its log can be followed there: every line once."""
    spoilt.faults.replace(["429:retry_after=1"])
    asked = ("submit", "201706", "--prefix", "throttled", "--collections", "HLSL30_2.0", "--wait")
    with _watching(environment, *asked) as process:
        waiting = _line(process, "429")
        assert "waiting for" in waiting
        (job,) = client.jobs(prefix="throttled")
        _check_interrupted(environment, job["id"])
        assert client.job(job["id"])["status"] == "running"
        spoilt.faults.replace([])
        command = [*HLS, "logs", job["id"]]
        followed = subprocess.run([*command, "-f"], capture_output=True, text=True, env=environment, check=True)
        assert client.job(job["id"])["status"] == "succeeded"
        assert process.stderr
        rest = process.stderr.read()
        assert process.wait(60) == 0, rest
    assert re.search(r"30/30 days, \d+ items", rest)
    assert "succeeded" in rest.splitlines()[-1]
    lines = rest.splitlines()[:-1]
    assert len({line[22:] for line in lines}) == len(lines)
    assert "\x1b" not in waiting + rest
    whole = [line["text"] for line in client.log_lines(job["id"])]
    assert followed.stdout.splitlines() == whole
    assert len(whole) > 30


def _check_interrupted(environment: dict[str, str], job_id: str) -> None:
    with _watching(environment, "watch", job_id) as process:
        _line(process, "running")
        process.send_signal(signal.SIGINT)
        assert process.stderr
        said = process.stderr.read()
        assert process.wait(30) == 130
    assert f"Job {job_id} goes on without you" in said
    assert f"hls cancel {job_id}" in said


LEFT = re.compile(r" (?!30)[1-9]\d?/30 days .* 0?0:\d\d left")


def test_through_a_throttled_source_on_a_terminal(environment: dict[str, str], spoilt: Running) -> None:
    """On a terminal there are escape codes and a bar with days, items and a rate: it says what it waits for while the
    source throttles, and then the time that is left, until it succeeds."""
    spoilt.faults.replace(["429:retry_after=1"])

    def mend(text: str) -> None:
        before, throttled, after = plain(text).partition("429")
        if throttled and "waiting for" in before:
            spoilt.faults.replace(
                [] if LEFT.search(after) else ["latency:seconds=0.5"]
            )  # slow enough for it to be seen

    asked = ("submit", "201709", "--prefix", "watched", "--wait")
    code, text = on_a_terminal([*HLS, *asked], environment, seen=mend)
    assert code == 0, text
    assert "\x1b[" in text
    before, _, after = plain(text).partition("429")
    assert "waiting for" in before
    assert LEFT.search(after), after
    assert "30/30 days" in after
    assert re.search(r"\d+ items, \d+/s", after)
    assert re.search(r"Job \w+ succeeded", after)


class _Job(BaseHTTPRequestHandler):
    """Answers with a job that has succeeded, and its log."""

    def do_GET(self) -> None:
        log = {"lines": [{"at": None, "text": "one"}], "nextToken": None, "reason": None}
        self.answer(log if self.path.endswith("/logs") else {"id": "x", "status": "succeeded"})

    def answer(self, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class has it so
        pass


def test_what_ends_soon_is_seen_soon() -> None:
    """Whatever the time between two looks may be later, the first ones follow each other quickly."""
    states = iter(("running", "running", "succeeded"))

    class Changing(_Job):
        def do_GET(self) -> None:
            self.answer({"id": "x", "status": next(states)})

    with (
        HTTPServer(("127.0.0.1", 0), Changing) as service,
        Client(f"http://127.0.0.1:{service.server_port}") as client,
        ThreadPoolExecutor(1) as pool,
    ):
        watched = pool.submit(lambda: [job["status"] for job in client.watch("x", every=3600)])
        for _ in range(3):
            service.handle_request()
        assert watched.result(30) == ["running", "running", "succeeded"]


LOOKS: dict[str, Callable[[Client, float], Any]] = {
    "watch": lambda client, patience: next(client.watch("x", every=0.01, patience=patience))["status"],
    "logs": lambda client, patience: [
        line["text"] for line in client.log_lines("x", follow=True, every=0.01, patience=patience)
    ],
}


@pytest.mark.parametrize(("look", "seen"), [("watch", "succeeded"), ("logs", ["one"])])
def test_following_outlives_a_restart(look: str, seen: Any) -> None:
    """While the service is away, as when it is restarted, a patient follower waits for it; an impatient one says so."""
    with HTTPServer(("127.0.0.1", 0), _Job, bind_and_activate=False) as service:
        service.server_bind()  # not listening yet, so that a caller is refused
        url = f"http://127.0.0.1:{service.server_port}"
        with Client(url) as client, pytest.raises(Unreachable, match="hls serve"):
            LOOKS[look](client, 0)
        with Client(url) as client, ThreadPoolExecutor(1) as pool:
            watched = pool.submit(LOOKS[look], client, 60)
            with pytest.raises(TimeoutError):
                watched.result(0.2)
            service.server_activate()
            for _ in range(2 if look == "logs" else 1):
                service.handle_request()
            assert watched.result(30) == seen
