"""Logs of Batch jobs in CloudWatch, by page or from their end. A reference is `group:stream`."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from api.executors.base import LogLine, LogPage
from api.executors.batch_faults import AWS_FAULTS, code_of, unavailable

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_logs.type_defs import GetLogEventsResponseTypeDef, OutputLogEventTypeDef

_MOST_EVENTS = 10_000
_EMPTY_PAGES = 10
"""CloudWatch may answer an empty page in the middle of a log; so many are followed in one call."""


class LogReader:
    """Reads log streams."""

    def __init__(self, client: "CloudWatchLogsClient") -> None:
        self._client = client

    def page(self, log_ref: str, token: str | None, limit: int) -> LogPage:
        """Up to `limit` lines from the token on; empty where there is no such stream yet.

        Raises:
            ValueError: the token is none of CloudWatch's.
            ExecutorUnavailable: CloudWatch does not answer.
        """
        for _ in range(_EMPTY_PAGES):
            reply = self._get(log_ref, token, limit, from_head=True)
            # The end is where CloudWatch gives back the token that it was given.
            if reply is None or reply["nextForwardToken"] == token:
                return LogPage(_lines(reply["events"]) if reply else (), None)
            token = reply["nextForwardToken"]
            if reply["events"]:
                return LogPage(_lines(reply["events"]), token)
        return LogPage((), token)

    def tail(self, log_ref: str, limit: int) -> Sequence[LogLine]:
        """The last lines. Raises `ExecutorUnavailable`."""
        found: tuple[LogLine, ...] = ()
        token: str | None = None
        for _ in range(_EMPTY_PAGES):
            reply = self._get(log_ref, token, limit - len(found), from_head=False)
            if reply is None or reply["nextBackwardToken"] == token:
                break
            token = reply["nextBackwardToken"]
            found = _lines(reply["events"]) + found
            if len(found) >= limit:
                break
        return found

    def _get(
        self, log_ref: str, token: str | None, limit: int, *, from_head: bool
    ) -> "GetLogEventsResponseTypeDef | None":
        group, _, stream = log_ref.partition(":")
        following = {"nextToken": token} if token else {}
        try:
            return self._client.get_log_events(
                logGroupName=group,
                logStreamName=stream,
                startFromHead=from_head,
                limit=min(limit, _MOST_EVENTS),
                **following,  # type: ignore[arg-type]  # of optional texts
            )
        except AWS_FAULTS as error:
            if code_of(error) == "ResourceNotFoundException":  # nothing was written yet
                return None
            if code_of(error) == "InvalidParameterException" and token:
                raise ValueError(f"{token!r} is not a token of a page of this log") from error
            raise unavailable(f"read the log {log_ref}", error) from error


def _lines(events: "Sequence[OutputLogEventTypeDef]") -> tuple[LogLine, ...]:
    return tuple(LogLine(datetime.fromtimestamp(e["timestamp"] / 1000, UTC), e["message"]) for e in events)
