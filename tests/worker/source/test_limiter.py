"""The limiter finds what the source bears, falls when it complains, and remembers where."""

import random
import threading

import pytest

from worker.source.limiter import START, Limiter, Place, Stopped


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def answered(limiter: Limiter, number: int) -> None:
    """A request was, that had the place of this number at the very beginning."""
    limiter.succeeded(Place(number, had=0))


def grow(limiter: Limiter, answers: int) -> None:
    for _ in range(answers):
        answered(limiter, limiter.limit)


def test_it_starts_low_and_grows_to_its_ceiling() -> None:
    """Four requests at first; while all is well as many as the ceiling allows, and never more."""
    limiter = Limiter(20)
    assert limiter.limit == START
    grow(limiter, 200)
    assert limiter.limit == 20
    assert Limiter(2).limit == 2


def test_requests_that_fail_together_count_once() -> None:
    """One overload makes every request in flight fail; the limit falls by a quarter, not to nothing."""
    clock = Clock()
    limiter = Limiter(40, clock)
    grow(limiter, 100)
    clock.now = 10
    for _ in range(40):
        limiter.failed(started=5)
    assert limiter.limit == 30


def test_it_remembers_where_it_fell_and_tries_again_later() -> None:
    """After a fall it stays just below that height for a while, then probes once more."""
    clock = Clock()
    limiter = Limiter(40, clock)
    grow(limiter, 12)  # 16 in flight
    clock.now = 1
    limiter.failed(started=0.5)
    grow(limiter, 1000)
    assert limiter.limit == 15
    clock.now = 100
    grow(limiter, 1000)
    assert limiter.limit == 40


def test_it_remembers_what_was_borne_and_not_how_far_it_had_doubled() -> None:
    """Answers that come together double the limit before what it allows has been tried: what the source bears is what it
    was seen to bear, else it would complain again and again."""
    clock = Clock()
    limiter = Limiter(150, clock)
    for _ in range(26 - START):
        answered(limiter, min(limiter.limit, 16))
    assert limiter.limit == 26
    refused = 0
    for _ in range(1000):
        clock.now += 0.02
        if limiter.limit > 16:
            limiter.failed(started=clock.now - 0.01, too_many=True)
            refused += 1
        else:
            grow(limiter, 1)
    assert limiter.limit == 16
    assert refused <= 3


def test_an_outage_leaves_one_request_that_tries() -> None:
    """Failures in a row bring the limit to one; what comes back begins as at first, and is soon where it was, because
    an outage says nothing of what the source bears."""
    clock = Clock()
    limiter = Limiter(150, clock)
    grow(limiter, 300)
    for second in range(1, 60):
        clock.now = second
        limiter.failed(started=second - 0.5)
    assert limiter.limit == 1
    grow(limiter, 3)
    assert limiter.limit <= START
    grow(limiter, 150)
    assert limiter.limit >= 100


def test_faults_that_do_not_depend_on_load_do_not_bring_it_to_one() -> None:
    """One failure in twenty, whatever the load: the limit stays at a height where work gets done."""
    clock, draw = Clock(), random.Random(1)
    limiter = Limiter(150, clock)
    limits = []
    for _ in range(20_000):
        clock.now += 1 / limiter.limit
        if draw.random() < 0.05:
            limiter.failed(started=clock.now - 1)
        else:
            answered(limiter, limiter.limit)
        limits.append(limiter.limit)
    assert sum(limits) / len(limits) > 4


def test_it_finds_what_the_source_bears_and_keeps_below() -> None:
    """A source that bears twenty at once: nearly that many are in flight, and hardly any is refused."""
    clock = Clock()
    limiter = Limiter(150, clock)
    limits, refused = [], 0
    for _ in range(20_000):
        clock.now += 1 / limiter.limit
        if limiter.limit > 20:
            limiter.failed(started=clock.now - 0.01)
            refused += 1
        else:
            answered(limiter, limiter.limit)
        limits.append(limiter.limit)
    assert sum(limits[1000:]) / len(limits[1000:]) > 15
    assert refused < 40


def test_places_that_open_together_are_all_taken() -> None:
    """Who waits behind a closed gate gets in when it opens, however many were woken meanwhile."""
    limiter = Limiter(4)
    limiter.failed(started=float("inf"), retry_after=0.1)
    inside = threading.Barrier(3, timeout=10)

    def enter() -> None:
        with limiter.slot():
            inside.wait()  # each needs the others to be in as well

    threads = [threading.Thread(target=enter) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not inside.broken


def test_nobody_starts_before_the_source_allows_it() -> None:
    """`Retry-After` closes the gate for all, not only for the request that was told."""
    limiter = Limiter(4)
    limiter.failed(started=1e9, retry_after=0.2)
    entered = threading.Event()

    def enter() -> None:
        with limiter.slot():
            entered.set()

    thread = threading.Thread(target=enter)
    thread.start()
    assert not entered.wait(0.1)
    assert entered.wait(5)
    thread.join()


def test_no_more_are_in_flight_than_the_limit() -> None:
    """Of many threads only as many get in as the limit says."""
    limiter = Limiter(3)
    lock, inside, most = threading.Lock(), 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with limiter.slot():
                with lock:
                    inside += 1
                    most = max(most, inside)
                with lock:
                    inside -= 1

    threads = [threading.Thread(target=work) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= most <= 3


def test_the_smallest_turn_goes_first() -> None:
    """However long the others have waited; of those with the same turn, who came first."""
    turns = {"last": (2, 1), "early": (1, 0), "late": (1, 0), "first": ()}
    waiting = {name: threading.Event() for name in turns}

    def clock() -> float:  # who looks at it holds the lock, so nobody gets a place before it waits
        if (name := threading.current_thread().name) in waiting:
            waiting[name].set()
        return 0.0

    limiter = Limiter(1, clock)
    order: list[str] = []

    def enter(name: str) -> None:
        with limiter.slot(turns[name]):
            order.append(name)

    threads = [threading.Thread(target=enter, args=(name,), name=name) for name in turns]
    with limiter.slot():
        for thread in threads:
            thread.start()
            assert waiting[thread.name].wait(5)
    for thread in threads:
        thread.join(5)
    assert order == ["first", "early", "late", "last"]


def test_the_end_of_the_run_wakes_who_waits() -> None:
    """A run that ends leaves no thread waiting for a slot."""
    limiter = Limiter(1)
    outcome: list[str] = []

    def wait() -> None:
        try:
            with limiter.slot():
                outcome.append("in")
        except Stopped:
            outcome.append("stopped")

    with limiter.slot():
        thread = threading.Thread(target=wait)
        thread.start()
        limiter.stop()
        thread.join(5)
    assert outcome == ["stopped"]
    with pytest.raises(Stopped), limiter.slot():
        pass
