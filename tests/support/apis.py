"""STAC APIs to harvest from: rustac's, which nobody here wrote, and one that replays recorded pages."""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx


@contextmanager
def rustac_serving(*files: Path, log: Path) -> Iterator[str]:
    """`rustac serve`, on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [str(Path(sys.executable).with_name("rustac")), "serve", "--addr", address, "--create-collections"]
    with log.open("w") as output:
        process = subprocess.Popen([*command, *map(str, files)], stdout=output, stderr=subprocess.STDOUT)
        try:
            _wait(f"http://{address}/", process, log)
            yield f"http://{address}"
        finally:
            process.terminate()
            process.wait(10)


@contextmanager
def replaying(pages: list[dict[str, Any]], host: str) -> Iterator[str]:
    """Answers a search with the first page, and each cursor that a page names with the page behind it.

    Only `host`, the address that the recorded links begin with, is rewritten.
    """
    behind = {_cursor(page): following for page, following in pairwise(pages)}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            base = f"http://{self.headers['Host']}"
            if url.path == "/search":
                cursor = parse_qs(url.query).get("cursor", [None])[0]
                self._answer(json.dumps(behind[cursor] if cursor else pages[0]).replace(host, base))
            elif url.path == "/":
                links = [{"rel": "search", "href": f"{base}/search", "type": "application/geo+json"}]
                landing = {
                    "type": "Catalog",
                    "id": "replay",
                    "stac_version": "1.0.0",
                    "description": "",
                    "links": links,
                }
                self._answer(json.dumps(landing))
            else:
                self.send_error(404)

        def _answer(self, text: str) -> None:
            body = text.encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class has it so
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _cursor(page: dict[str, Any]) -> str | None:
    (following,) = [link["href"] for link in page["links"] if link["rel"] == "next"]
    return str(parse_qs(urlsplit(following).query)["cursor"][0])


def _wait(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise RuntimeError(f"{url} does not answer: {log.read_text()[-1000:]}")
