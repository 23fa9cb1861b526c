"""An executor whose failed calls are counted."""

import pytest

from api.executors.base import ExecutorUnavailable, SubmissionUncertain
from api.executors.counted import CountedExecutor
from api.executors.memory import MemoryExecutor
from worker.contract.job import RunParams

RUN = RunParams(year_month="202401", job_id="a", destination="file:///data")


def test_each_failed_call_is_counted_and_passed_on() -> None:
    """By call and kind of error, whichever call it is; those that go well are not."""
    memory = MemoryExecutor()
    counted = CountedExecutor(memory)
    counted.check()
    memory.lose_submissions()
    with pytest.raises(SubmissionUncertain):
        counted.submit(RUN)
    ref = counted.submit(RUN).ref
    memory.outage = "away"
    calls = {
        "find": lambda: counted.find("name"),
        "poll": lambda: counted.poll([ref]),
        "terminate": lambda: counted.terminate(ref, "why"),
        "logs": lambda: counted.logs(ref, None, 1),
        "tail": lambda: counted.tail(ref, 1),
        "check": counted.check,
    }
    for call in calls.values():
        with pytest.raises(ExecutorUnavailable):
            call()
    expected = {(name, "ExecutorUnavailable"): 1 for name in calls} | {("submit", "SubmissionUncertain"): 1}
    assert counted.take_failures() == expected
    assert counted.take_failures() == {}


def test_what_could_not_be_written_down_is_counted_again() -> None:
    """Given back, it adds to what came meanwhile."""
    counted = CountedExecutor(MemoryExecutor())
    counted.give_back({("poll", "Throttled"): 2})
    counted.give_back({("poll", "Throttled"): 1})
    assert counted.take_failures() == {("poll", "Throttled"): 3}
