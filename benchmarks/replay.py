"""`python -m benchmarks.replay FOLDER`: a STAC API that sends slices of a prepared month, for next to no CPU time.

It has CMR-STAC's manners: every page with items has a `next`, which is a GET with a cursor; the page after the last
item is empty. `GET /counters` gives what `Traffic` counted. Prints {"url": ...} once it takes requests.
"""

import argparse
import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson

from benchmarks.prepare import Prepared, load
from benchmarks.selection import Run, cut, select
from benchmarks.traffic import Traffic
from sample import documents
from sample.catalog import Query
from sample.query import BadRequest, SearchRequest, read_search

_HEAD = b'{"type":"FeatureCollection","features":['
_SEND_BUFFER = 4 << 20


class ReplayServer(ThreadingTCPServer):
    """One thread for each connection."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, month: Prepared, traffic: Traffic, *, page_size: int, latency: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.traffic, self.page_size, self.latency = traffic, page_size, latency
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self._month = month
        self._files = {path: path.open("rb") for path in {part.path for part in month.parts}}
        self.find = lru_cache(4096)(self._find)

    def descriptor(self, run: Run) -> int:
        return self._files[run.part.path].fileno()

    def patched(self, run: Run) -> bytes:
        """The items of a copy, which no file holds. The file is opened anew, because threads would share a position."""
        with run.part.path.open("rb") as file:
            return run.read(file)

    def _find(self, query: Query) -> tuple[list[Run], int]:
        found = select(self._month, query)
        return found, sum(map(len, found))


class _Handler(StreamRequestHandler):
    """Reads requests by hand: the standard library's reader would cost more than the rest together."""

    disable_nagle_algorithm = True
    server: ReplayServer

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # the client went
            while line := self.rfile.readline():
                method, target, _ = line.decode("latin-1").split(" ")
                self._answer(method, target, self.rfile.read(self._content_length()))

    def _content_length(self) -> int:
        length = 0
        while (line := self.rfile.readline()) not in (b"\r\n", b""):
            if line[:15].lower() == b"content-length:":
                length = int(line[15:])
        return length

    def _answer(self, method: str, target: str, body: bytes) -> None:
        url = urlsplit(target)
        if url.path == "/search":
            self._search(orjson.loads(body or b"{}") if method == "POST" else dict(parse_qsl(url.query)))
        elif url.path == "/":
            self._document(documents.landing_page(self.server.url))
        elif url.path == "/counters":
            self._document(self.server.traffic.counters())
        elif url.path == "/collections":
            self._document(documents.collections(self.server.url))
        elif url.path == "/conformance":
            self._document({"conformsTo": documents.CONFORMANCE})
        elif url.path.startswith("/collections/"):
            self._collection(url.path.removeprefix("/collections/"))
        else:
            self._document({"errors": ["Not found"]}, 404)

    def _collection(self, name: str) -> None:
        try:
            self._document(documents.collection(self.server.url, name))
        except KeyError:
            self._document({"errors": [f"Collection with ID [{name}] in provider [LPCLOUD] not found."]}, 404)

    def _search(self, given: dict[str, Any]) -> None:
        traffic = self.server.traffic
        status = traffic.enter()
        if status != 200:
            traffic.leave()
            self._document({"errors": ["Too many requests" if status == 429 else "Oops!"]}, status)
            return
        try:
            request = read_search(given)
            found, matched = self.server.find(request.query)
        except (BadRequest, ValueError) as error:
            traffic.leave()
            self._document({"errors": [str(error)]}, 400)
            return
        time.sleep(self.server.latency)
        begin = request.cursor[0] if request.cursor else 0
        page = list(cut(found, begin, min(request.limit, self.server.page_size)))
        self._send_page(page, self._tail(request, begin, sum(map(len, page)), matched))

    def _tail(self, request: SearchRequest, begin: int, returned: int, matched: int) -> bytes:
        url = f"{self.server.url}/search"
        links = [{"rel": "self", "href": url, "type": "application/geo+json"}]
        if returned:
            href = request.link(url, (begin + returned, ""))
            links.append({"rel": "next", "href": href, "type": "application/geo+json"})
        context = {"returned": returned, "limit": request.limit, "matched": matched}
        return b"]," + orjson.dumps({"links": links, "context": context})[1:]

    def _send_page(self, page: list[Run], tail: bytes) -> None:
        items = sum(map(len, page))
        size = len(_HEAD) + sum(run.size for run in page) + max(0, len(page) - 1) + len(tail)
        try:
            self._send_items(page, size)
        finally:
            # Before the last bytes: the client may send its next request the moment that it has them.
            self.server.traffic.leave(items)
        self.connection.sendall(tail)

    def _send_items(self, page: list[Run], size: int) -> None:
        self.connection.sendall(_headers(200, size) + _HEAD, socket.MSG_MORE)
        for number, run in enumerate(page):
            if number:
                self.connection.sendall(b",", socket.MSG_MORE)
            if run.copy:
                self.connection.sendall(self.server.patched(run))
            else:
                self._send_file(self.server.descriptor(run), run.begin, run.size)

    def _send_file(self, descriptor: int, offset: int, size: int) -> None:
        while size:
            sent = os.sendfile(self.connection.fileno(), descriptor, offset, size)
            offset, size = offset + sent, size - sent

    def _document(self, value: Any, status: int = 200) -> None:
        body = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
        self.connection.sendall(_headers(status, len(body)) + body)


def _headers(status: int, size: int) -> bytes:
    reason = HTTPStatus(status).phrase
    return (
        f"HTTP/1.1 {status} {reason}\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: {size}\r\n\r\n"
    ).encode()


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replay", description=__doc__)
    parser.add_argument("folder", type=Path, help="a month that benchmarks.prepare made")
    parser.add_argument("--copies", type=int, default=1, help="serve it so many times over (default: 1)")
    parser.add_argument("--page-size", type=int, default=250, help="items a page at most (default: 250)")
    parser.add_argument("--latency", type=float, default=0, metavar="SECONDS", help="of each page (default: 0)")
    parser.add_argument(
        "--in-flight", type=int, metavar="N", help="answer 429 to what goes beyond N searches at a time"
    )
    parser.add_argument(
        "--outage",
        type=float,
        nargs=2,
        metavar=("AFTER", "SECONDS"),
        help="answer 503 for so long, so many seconds after the first search",
    )
    given = parser.parse_args(argv)
    traffic = Traffic(most_in_flight=given.in_flight, outage=tuple(given.outage) if given.outage else None)
    month = load(given.folder, given.copies)
    server = ReplayServer(month, traffic, page_size=given.page_size, latency=given.latency)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(json.dumps({"url": server.url}), flush=True)
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
