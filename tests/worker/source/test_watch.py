"""What a run says while it waits for the source."""

import logging

import pytest

from worker.source.watch import Watch


def test_the_log_tells_of_the_first_complaint_and_then_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """With what the source answered last, and for how long nothing new has come: whoever reads the log sees why it
    stands still, and a source that fails now and then does not fill it."""
    now = 0.0
    watch = Watch(3600, clock=lambda: now)
    with caplog.at_level(logging.WARNING, "worker"):
        for now in (5.0, 6.0, 64.0, 65.0, 66.0, 200.0):
            watch.complained(f"503 at {now:g}")
    told = [(vars(record)["complaint"], vars(record)["seconds_without_a_page"]) for record in caplog.records]
    assert told == [("503 at 5", 5), ("503 at 65", 65), ("503 at 200", 200)]
