"""The worker's log lines."""

import json
import logging

import pytest

from worker import logs

pytestmark = pytest.mark.usefixtures("root_logger_restored")


def test_a_line_is_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    """Time, level, logger, message, the job and its request, and what was given as extra, whatever its type; a fault with its traceback."""
    logs.configure("job-1", "request-1")
    log = logging.getLogger("worker.some")
    log.info("a day\nis staged", extra={"action": "day_staged", "items": 3, "what": {1}})
    try:
        [].pop()
    except IndexError:
        log.exception("it failed")
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first.pop("time").endswith("+00:00")
    assert first == {
        "level": "info",
        "message": "a day\nis staged",
        "logger": "worker.some",
        "jobId": "job-1",
        "requestId": "request-1",
        "action": "day_staged",
        "items": 3,
        "what": "{1}",
    }
    assert second["level"] == "error"
    assert "IndexError" in second["exception"]


def test_libraries_speak_only_when_something_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    """Their chatter would bury the run's own lines."""
    logs.configure("job-1")
    logging.getLogger("botocore").info("chatter")
    logging.getLogger("botocore").warning("trouble")
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["message"] == "trouble"
