"""Sends wrong keys at a steady rate, each with the id of one that there is, in a process of its own: one that measures
meanwhile shares no interpreter with it.

`python guesser.py URL KEY_ID PER_SECOND`: it guesses from one line of its input to the next, writes a line when it is
under way, and at the end how many it sent since then, in how many seconds, and how often it met each status at all.
"""

import http.client
import json
import os
import sys
import threading
import time
from collections import Counter
from urllib.parse import urlsplit

_THREADS = 4


class Guesser(threading.Thread):
    """One connection's share of the guesses."""

    def __init__(self, address: str, key_id: str, first: float, pause: float, over: threading.Event) -> None:
        super().__init__(daemon=True)
        self._address, self._key_id, self._first, self._pause, self._over = address, key_id, first, pause, over
        self.statuses: Counter[int] = Counter()
        self.begun = threading.Event()

    def run(self) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=120)
        due = time.monotonic() + self._first
        while not self._over.wait(max(0, due - time.monotonic())):
            self.statuses[self._guess(connection)] += 1
            self.begun.set()
            due += self._pause
        connection.close()

    def _guess(self, connection: http.client.HTTPConnection) -> int:
        connection.request("GET", "/jobs", headers={"X-API-Key": f"hls_{self._key_id}_{os.urandom(32).hex()}"})
        reply = connection.getresponse()
        reply.read()
        return reply.status


def _turn(address: str, key_id: str, per_second: float) -> None:
    over = threading.Event()
    # One after another: of guesses all at once, a short time may hold one round more or less.
    guessers = [
        Guesser(address, key_id, number / per_second, _THREADS / per_second, over) for number in range(_THREADS)
    ]
    for guesser in guessers:
        guesser.start()
    for guesser in guessers:
        guesser.begun.wait()
    began, before = time.monotonic(), _statuses(guessers).total()
    print(flush=True)  # noqa: T201  to who started it
    sys.stdin.readline()
    seconds, sent = time.monotonic() - began, _statuses(guessers).total() - before
    over.set()
    for guesser in guessers:
        guesser.join()
    told = {"sent": sent, "seconds": seconds, "statuses": _statuses(guessers)}
    print(json.dumps(told), flush=True)  # noqa: T201  the same


def _statuses(guessers: list[Guesser]) -> Counter[int]:
    return sum((guesser.statuses for guesser in guessers), Counter[int]())


if __name__ == "__main__":
    url, key_id, per_second = sys.argv[1:]
    while sys.stdin.readline():
        _turn(urlsplit(url).netloc, key_id, float(per_second))
