"""Log streams of CloudWatch, as awkward as its API has them."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from api.executors.base import ExecutorUnavailable
from api.executors.batch_logs import LogReader


class Stubbed:
    """A reader whose client answers as told, in order."""

    def __init__(self) -> None:
        session = boto3.Session("test", "test", region_name="us-east-1")
        client = session.client("logs")
        self.logs = Stubber(client)
        self.reader = LogReader(client)
        self.logs.activate()


@pytest.fixture
def stubbed() -> Iterator[Stubbed]:
    stubbed = Stubbed()
    yield stubbed
    stubbed.logs.assert_no_pending_responses()


def log_page(*texts: str, forward: str = "f", backward: str = "b") -> dict[str, Any]:
    events = [{"timestamp": 1704067200000, "message": text, "ingestionTime": 1} for text in texts]
    return {"events": events, "nextForwardToken": forward, "nextBackwardToken": backward}


def asked(limit: int, token: str | None = None, *, head: bool = True) -> dict[str, Any]:
    stream = {"logGroupName": "group", "logStreamName": "a/b", "startFromHead": head, "limit": limit}
    return {**stream, **({"nextToken": token} if token else {})}


def test_empty_pages_in_a_log_are_followed(stubbed: Stubbed) -> None:
    """An empty page with a new token is not the end; the same token twice is."""
    stubbed.logs.add_response("get_log_events", log_page(forward="f1"), asked(10))
    stubbed.logs.add_response("get_log_events", log_page("one", forward="f2"), asked(10, "f1"))
    page = stubbed.reader.page("group:a/b", None, 10)
    assert ([line.text for line in page.lines], page.next_token) == (["one"], "f2")
    stubbed.logs.add_response("get_log_events", log_page(forward="f2"), asked(10, "f2"))
    assert stubbed.reader.page("group:a/b", "f2", 10).next_token is None


def test_the_tail_of_a_log_goes_back_as_far_as_needed(stubbed: Stubbed) -> None:
    """Pages of the end that are short or empty are joined until there are enough lines, in order."""
    stubbed.logs.add_response("get_log_events", log_page(backward="b1"), asked(3, head=False))
    stubbed.logs.add_response("get_log_events", log_page("c", backward="b2"), asked(3, "b1", head=False))
    stubbed.logs.add_response("get_log_events", log_page("a", "b", backward="b3"), asked(2, "b2", head=False))
    assert [line.text for line in stubbed.reader.tail("group:a/b", 3)] == ["a", "b", "c"]


def test_faults_of_logs(stubbed: Stubbed) -> None:
    """A token that is none is a ValueError; a CloudWatch that fails makes the log unavailable."""
    stubbed.logs.add_client_error("get_log_events", "InvalidParameterException", "The specified nextToken is invalid.")
    with pytest.raises(ValueError, match="token"):
        stubbed.reader.page("group:a/b", "mine", 10)
    stubbed.logs.add_client_error("get_log_events", "ServiceUnavailableException", "later", http_status_code=503)
    with pytest.raises(ExecutorUnavailable, match="group:a/b"):
        stubbed.reader.tail("group:a/b", 10)
