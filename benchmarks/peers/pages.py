"""The limits: a month's pages fetched and, with `parse`, read by simdjson or, with `convert`, made Arrow by the worker.

`python -m benchmarks.peers.pages fetch|parse|convert URL DATETIME COLLECTIONS`; prints the number of items. Four threads,
each with searches of its own, so that both cores have something to do while others wait.
"""

import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from threading import local
from urllib.parse import urlencode

import simdjson
import urllib3

from worker.items.pool import ConverterPool
from worker.source.search import PAGE_LIMIT

_THREADS = 4

Work = Callable[[bytes], object]


def main() -> None:
    mode, url, interval, collections = sys.argv[1:]
    web = urllib3.PoolManager(maxsize=_THREADS)
    searches = [
        f"{url}/search?{urlencode({'collections': collection, 'datetime': day, 'limit': PAGE_LIMIT})}"
        for day in _days(interval)
        for collection in collections.split(",")
    ]
    # The converter is closed so that its processes are waited for: what they cost is counted then.
    with closing(ConverterPool()) as converter, ThreadPoolExecutor(_THREADS) as pool:
        work = {"fetch": len, "parse": _parser(), "convert": converter.convert}[mode]
        print(sum(pool.map(lambda search: _harvest(web, search, work), searches)))


def _harvest(web: urllib3.PoolManager, search: str, work: Work) -> int:
    count = 0
    following: str | None = search
    while following:
        body = web.request("GET", following).data
        links = json.loads(body[body.rindex(b'"links":') - 1 :].replace(b',"links"', b'{"links"', 1))
        following = next((link["href"] for link in links["links"] if link["rel"] == "next"), None)
        count += links["context"]["returned"]
        if links["context"]["returned"]:
            work(body)
    return count


def _parser() -> Work:
    """A parser for each thread; what it read is given up before the next page, as it asks."""
    own = local()

    def parse(body: bytes) -> None:
        if not hasattr(own, "parser"):
            own.parser = simdjson.Parser()
        own.parser.parse(body)

    return parse


def _days(interval: str) -> Iterator[str]:
    first, last = (datetime.fromisoformat(text) for text in interval.split("/"))
    while first < last:
        end = min(first + timedelta(days=1), last)
        yield "/".join(f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" for moment in (first, end))
        first = end


if __name__ == "__main__":
    main()
