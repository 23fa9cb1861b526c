"""Calls are spaced evenly, over all threads."""

from concurrent.futures import ThreadPoolExecutor

from api.executors.pacing import Pacer


def test_calls_are_spaced() -> None:
    """Calls at once wait for their turns; one after a pause does not wait, and pauses are not saved up."""
    now = 100.0
    slept: list[float] = []
    pacer = Pacer(10, clock=lambda: now, sleep=slept.append)
    for _ in range(3):
        pacer.wait()
    assert [round(seconds, 6) for seconds in slept] == [0.1, 0.2]
    now += 60
    for _ in range(2):
        pacer.wait()
    assert [round(seconds, 6) for seconds in slept[2:]] == [0.1]


def test_threads_share_the_turns() -> None:
    """Twenty callers in eight threads get twenty turns, none twice."""
    slept: list[float] = []
    pacer = Pacer(10, clock=lambda: 0.0, sleep=slept.append)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: pacer.wait(), range(20)))
    assert sorted(round(seconds, 6) for seconds in slept) == [round(i / 10, 6) for i in range(1, 20)]
