"""When a call to S3 is tried again, and for how long.

Not botocore's own retries: they wait for three seconds in all, and share a quota over the threads of a client, so that
fifty threads that meet an outage together give up within the blink of an eye.
"""

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ConnectionError as NoConnection
from botocore.exceptions import HTTPClientError, SSLError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_FIRST_WAIT, _LONGEST_WAIT = 0.5, 10.0
_ATTEMPTS = 12
_PASSING = frozenset((429, 500, 502, 503, 504))
_PASSING_CODES = frozenset(
    (
        "SlowDown",
        "InternalError",
        "RequestTimeout",
        "Throttling",
        "ThrottlingException",
        "ConditionalRequestConflict",  # two conditional writes met; S3 asks to send again
    )
)
_BEGAN = "hls_first_failure"


@dataclass(frozen=True)
class Patience:
    """Seconds for which a call is tried again after its first failure, and for which the server may say nothing."""

    seconds: float
    silent: float

    def serve(self, client: "S3Client") -> None:
        """Let the client's calls be tried again so; its own retries are to be off."""
        answered: Any = self._wait  # botocore reads the answer, though its types say that there is none
        client.meta.events.register("needs-retry.s3", answered)

    def _wait(
        self,
        *,
        response: tuple[Any, Any] | None,
        caught_exception: Exception | None,
        request_dict: Any,
        attempts: int,
        **_: Any,
    ) -> float | None:
        """Seconds to wait before the next attempt, or None to leave it at this one: botocore's event `needs-retry`."""
        if not _passes(response, caught_exception):
            return None
        began = request_dict["context"].setdefault(_BEGAN, time.monotonic())
        bound = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** (attempts - 1))
        delay = random.uniform(bound / 2, bound)  # noqa: S311  spreads requests; nothing secret
        if attempts >= _ATTEMPTS or time.monotonic() + delay - began > self.seconds:
            return None
        return delay


WORKER = Patience(seconds=60, silent=30)
"""A run that fails has lost slices, and its executor does not try it again for the storage's sake."""

SERVICE = Patience(seconds=3, silent=5)
"""Somebody waits for the answer, and the reconciler comes again."""


def _passes(response: tuple[Any, Any] | None, caught: Exception | None) -> bool:
    if caught is not None:
        return isinstance(caught, (NoConnection, HTTPClientError)) and not isinstance(caught, SSLError)
    if response is None:
        return False
    reply, parsed = response
    return reply.status_code in _PASSING or parsed.get("Error", {}).get("Code") in _PASSING_CODES
