"""Lines of logs hold no secrets."""

import json
import logging

import pytest

from worker.contract.logs import JsonFormatter, masked

KEY = "hls_0123456789ab_" + "0f" * 32
LINK = "https://b.s3.amazonaws.com/k?X-Amz-Credential=AKIA%2Fx&X-Amz-Expires=900&X-Amz-Signature=abcdef"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"sent {KEY} today", "sent hls_0123456789ab_*** today"),
        ("postgresql://hls:pa55-word@db:5432/hls", "postgresql://hls:***@db:5432/hls"),
        (LINK, "https://b.s3.amazonaws.com/k?X-Amz-Credential=***&X-Amz-Expires=900&X-Amz-Signature=***"),
        ("postgresql://hls:pa/55?w@rd@db:5432/hls", "postgresql://hls:***@db:5432/hls"),
        ("redis://:secret@cache:1", "redis://:***@cache:1"),
        ("host=db password=pa55 user=hls", "host=db password=*** user=hls"),
        ("host=db PASSWORD='pa 55' user=hls", "host=db PASSWORD=*** user=hls"),
        ("https://h/k?x-amz-security-token=IQoJ%2Fx&a=1", "https://h/k?x-amz-security-token=***&a=1"),
        ("{'x-amz-security-token': 'IQoJb3/x==', 'a': 1}", "{'x-amz-security-token': '***', 'a': 1}"),
        ("X-Amz-Security-Token: IQoJb3/x==", "X-Amz-Security-Token: ***"),
        ("https://cmr.earthdata.nasa.gov/stac/LPCLOUD", "https://cmr.earthdata.nasa.gov/stac/LPCLOUD"),
        ('"a": "http://h:80/", "mail": "a@b"', '"a": "http://h:80/", "mail": "a@b"'),
    ],
)
def test_secrets_are_masked(text: str, shown: str) -> None:
    """Keys but for their id, passwords in URLs, what signs a link; and nothing else."""
    assert masked(text) == shown


def test_wherever_they_stand_in_a_line() -> None:
    """In the message, in what is given beside it, in the traceback; the line stays JSON."""
    record = logging.makeLogRecord({"msg": "with %s", "args": (KEY,), "url": LINK, "levelno": 20, "levelname": "INFO"})
    try:
        raise ValueError(KEY)  # noqa: TRY301  the traceback is what is looked at
    except ValueError as error:
        record.exc_info = (type(error), error, error.__traceback__)
    line = JsonFormatter(jobId="job-1").format(record)
    assert "0f" * 32 not in line
    assert "abcdef" not in line
    assert json.loads(line)["jobId"] == "job-1"
    assert "ValueError: hls_0123456789ab_***" in json.loads(line)["exception"]
