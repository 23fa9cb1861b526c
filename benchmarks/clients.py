"""Clients that call an HTTP service as fast as it answers: `python -m benchmarks.clients < ORDER`.

A process of its own, with one connection for each client, kept open, and next to no work for an answer, so that it is the
service that is measured. ORDER is a `Load` as JSON; the answer is a `Tally` as JSON.
"""

import asyncio
import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import cycle
from statistics import quantiles

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_END = b"\r\n\r\n"
_FEWEST = 2
"""Answers that there must be before there is a median: on a machine that is busy, a short time may bring fewer."""


@dataclass(frozen=True)
class Load:
    """What to send where, whole requests that are sent in turn; seconds of warming up and of measuring."""

    port: int
    requests: list[str]
    clients: int
    warm_up: float
    seconds: float


@dataclass(frozen=True)
class Tally:
    """What came back while it was measured; milliseconds, and the share of one core that the clients took."""

    requests_per_s: float
    median_ms: float
    p99_ms: float
    bytes_each: float
    client_cpu_percent: float
    statuses: dict[str, int]


def run(load: Load) -> Tally:
    """In a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.clients"],
        input=json.dumps(asdict(load)),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return Tally(**json.loads(done.stdout))


def get(path: str) -> str:
    """The request as it is sent."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n"


def post(path: str, body: str) -> str:
    """The request as it is sent, with a JSON body."""
    head = f"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body.encode())}"
    return f"POST {path} HTTP/1.1\r\n{head}\r\n\r\n{body}"


class _Record:
    """Answers since the warming up ended, until the time is over and there are enough."""

    def __init__(self, begin: float, end: float) -> None:
        self._begin = begin
        self._end = end
        self.seconds: list[float] = []
        self.bytes = 0
        self.statuses: Counter[str] = Counter()

    def add(self, sent: float, now: float, status: bytes, length: int) -> None:
        self.statuses[status.decode()] += 1
        if self._begin <= sent and (now <= self._end or not self.is_over):
            self._end = max(self._end, now)
            self.seconds.append(now - sent)
            self.bytes += length

    @property
    def is_over(self) -> bool:
        return time.perf_counter() >= self._end and len(self.seconds) >= _FEWEST

    @property
    def lasted(self) -> float:
        return self._end - self._begin


class _Client(asyncio.Protocol):
    """Sends the next request when the answer to the last one is whole."""

    def __init__(self, requests: Iterator[bytes], record: _Record) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._record = record
        self._transport: asyncio.Transport
        self._answer = b""
        self._whole = 0
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if not self._whole and (head := self._answer.find(_END)) >= 0:
            length = _LENGTH.search(self._answer, 0, head)
            assert length, self._answer[:head]
            self._whole = head + len(_END) + int(length[1])
        if self._whole and len(self._answer) >= self._whole:
            now = time.perf_counter()
            self._record.add(self._sent, now, self._answer[9:12], self._whole)
            self._answer, self._whole = self._answer[self._whole :], 0
            if not self._record.is_over:
                self._send()
            else:
                self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc or not self._record.is_over:
            self.ended.set_exception(exc or ConnectionError("the service hung up"))
        else:
            self.ended.set_result(None)

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(next(self._requests))


async def _call(load: Load) -> Tally:
    loop, requests = asyncio.get_running_loop(), cycle([request.encode() for request in load.requests])
    begin = time.perf_counter() + load.warm_up
    record = _Record(begin, begin + load.seconds)
    cpu, wall = time.process_time(), time.perf_counter()
    made = [
        await loop.create_connection(lambda: _Client(requests, record), "127.0.0.1", load.port)
        for _ in range(load.clients)
    ]
    await asyncio.gather(*(client.ended for _, client in made))
    share = (time.process_time() - cpu) / (time.perf_counter() - wall)
    cuts = quantiles(record.seconds, n=100, method="inclusive")
    return Tally(
        requests_per_s=len(record.seconds) / record.lasted,
        median_ms=1000 * cuts[49],
        p99_ms=1000 * cuts[98],
        bytes_each=record.bytes / len(record.seconds),
        client_cpu_percent=100 * share,
        statuses=dict(record.statuses),
    )


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(_call(Load(**json.load(sys.stdin)))))))
