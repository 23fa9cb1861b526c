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


@pytest.fixture
def spoilt(source: Running) -> Iterator[Running]:
    """The source, which is well again after the test."""
    yield source
    source.faults.replace([])


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


def test_from_submission_to_the_end_through_a_throttled_source(environment: dict[str, str], spoilt: Running) -> None:
    """One line a change: what it waits for while the source throttles, and how far it is, until it succeeds; no
    colour off a terminal."""
    spoilt.faults.replace(["429:retry_after=1"])
    with _watching(environment, "submit", "201706", "--prefix", "throttled", "--wait") as process:
        waiting = _line(process, "429")
        assert "waiting for" in waiting
        spoilt.faults.replace([])
        assert process.stderr
        rest = process.stderr.read()
        assert process.wait(60) == 0, rest
    assert re.search(r"30/30 days, \d+ items", rest)
    assert "succeeded" in rest.splitlines()[-1]
    lines = rest.splitlines()[:-1]
    assert len({line[22:] for line in lines}) == len(lines)
    assert "\x1b" not in waiting + rest


def test_ctrl_c_leaves_the_job(environment: dict[str, str], spoilt: Running, client: Client) -> None:
    """The watcher ends with 130 and says how to go on; the job goes on to its end, and its log can be followed there:
    every line once."""
    spoilt.faults.replace(["429:retry_after=1"])
    job = client.submit("201707", prefix="interrupted")
    with _watching(environment, "watch", job["id"]) as process:
        _line(process, "running")
        process.send_signal(signal.SIGINT)
        assert process.stderr
        said = process.stderr.read()
        assert process.wait(30) == 130
    assert f"Job {job['id']} goes on without you" in said
    assert f"hls cancel {job['id']}" in said
    assert client.job(job["id"])["status"] == "running"
    spoilt.faults.replace([])
    command = [*HLS, "logs", job["id"]]
    followed = subprocess.run([*command, "-f"], capture_output=True, text=True, env=environment, check=True)
    assert client.job(job["id"])["status"] == "succeeded"
    whole = [line["text"] for line in client.log_lines(job["id"])]
    assert followed.stdout.splitlines() == whole
    assert len(whole) > 30


def test_a_terminal_gets_a_bar_and_colours(environment: dict[str, str]) -> None:
    """On a terminal there are escape codes, days, items and a rate; and the job's end."""
    code, text = on_a_terminal([*HLS, "submit", "201708", "--prefix", "terminal", "--wait"], environment)
    assert code == 0, text
    assert "\x1b[" in text
    assert "31/31 days" in text
    assert re.search(r"\d+ items, \d+/s", text)
    assert "succeeded" in text


def test_watching_through_the_throttle_on_a_terminal(
    environment: dict[str, str], spoilt: Running, client: Client
) -> None:
    """The bar says what it waits for while the source throttles, and then the time that is left, until it succeeds."""
    spoilt.faults.replace(["429:retry_after=1"])
    job = client.submit("201709", prefix="watched")

    def mend(text: str) -> None:
        if "waiting for" in text and "429" in text:
            spoilt.faults.replace(["latency:seconds=0.5"])  # slow enough for the time left to be seen

    code, text = on_a_terminal([*HLS, "watch", job["id"]], environment, seen=mend)
    assert code == 0, text
    before, _, after = plain(text).partition("429")
    assert "waiting for" in before
    assert re.search(r" (?!30)[1-9]\d?/30 days .* 0?0:\d\d left", after), after
    assert "30/30 days" in after
    assert f"Job {job['id']} succeeded" in after


class _Job(BaseHTTPRequestHandler):
    """Answers with a job that has succeeded, and its log."""

    def do_GET(self) -> None:
        log = {"lines": [{"at": None, "text": "one"}], "nextToken": None, "reason": None}
        body = json.dumps(log if self.path.endswith("/logs") else {"id": "x", "status": "succeeded"}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class has it so
        pass


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
